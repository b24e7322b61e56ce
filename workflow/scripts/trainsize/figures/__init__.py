"""The figures stage: draws the study's tables."""
