"""The stage subsets: which training images each size and draw holds."""
