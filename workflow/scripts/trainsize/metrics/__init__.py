"""The stage metrics: the runs of a study in a few tables."""
