"""The study file and config.yaml: reading, checking, expanding."""
