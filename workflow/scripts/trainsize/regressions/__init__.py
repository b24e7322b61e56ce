"""The stage regressions: the rows, words and tables of the analysis of a study."""
