"""The stage audit: signs of known mistakes in tables of results."""
