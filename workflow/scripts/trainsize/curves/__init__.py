"""Learning curves: families, fits, resampling, and the answers that follow."""
