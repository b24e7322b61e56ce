"""The stage audit: looks for signs of known mistakes in tables of results."""
