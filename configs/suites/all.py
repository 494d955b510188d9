"""Every table and figure of the paper and beyond, in one report; cells that several suites need run once."""
suite = dict(
    name="all",
    title="All tables and figures",
    suites=(
        "table1", "table2", "table3", "table4", "table5", "fig4", "fig5", "fig6", "fig7", "cross", "robustness", "scr",
        "protocols", "leakage",
    ),
)
