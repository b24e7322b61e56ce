"""Intervals and tests that are not about learning curves."""
