"""The subsets stage: chooses the training images of each size and draw."""
