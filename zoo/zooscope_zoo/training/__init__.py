"""Training: images and patches, augmentation, the one loop of all methods, checkpoints, curves."""
