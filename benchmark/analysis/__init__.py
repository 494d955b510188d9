"""What is computed from finished cells and shown beside them: paired comparisons, means over datasets, subsets."""
