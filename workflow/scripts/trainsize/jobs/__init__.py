"""How jobs run: logs, locks, progress, SLURM. Determines no result."""
