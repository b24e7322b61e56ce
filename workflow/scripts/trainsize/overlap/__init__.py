"""The stage overlap: how many images subsets share, beside what chance gives."""
