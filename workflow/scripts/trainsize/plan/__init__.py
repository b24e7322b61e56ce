"""The stage plan: what a study still needs, why, and what it costs."""
