"""The pages of ``docs/``: from parsers, configs, docstrings and measured records to Markdown; nothing is kept by hand.

Each module makes one kind of page; ``pages.py`` puts them together, and ``benchmark/docs.py`` writes or checks them.
"""
