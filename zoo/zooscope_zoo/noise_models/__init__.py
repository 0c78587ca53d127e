"""Noise models as things of their own: fitted, saved, checked, plotted."""
