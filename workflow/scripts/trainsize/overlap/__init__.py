"""The overlap stage: counts the images that subsets share and compares them with chance."""
