"""Draws of the clean images that a noisy one may be of, from networks that learned their distribution."""
