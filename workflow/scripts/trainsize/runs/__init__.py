"""One training: its coordinates, record, budget, random streams and log."""
