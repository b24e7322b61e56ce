"""The download stage: fetches, reads and checks data sets, and prepares them as arrays."""
