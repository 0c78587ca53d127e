"""Prediction: devices, tiles, the two runtimes, and the process that a model runs in."""
