"""Figures for papers: each plot of a leaderboard as PNG and SVG."""
