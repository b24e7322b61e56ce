"""How jobs run: logs, locks, progress and SLURM. Nothing here changes a result."""
