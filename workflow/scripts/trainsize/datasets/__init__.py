"""Which data sets there are, and how a prepared one is read."""
