"""The stage figures: what the tables show."""
