"""Data sets: cards, verified downloads, readers, and the cache of decoded samples."""

from zooscope.data.dataset import Dataset, load_dataset

__all__ = ["Dataset", "load_dataset"]
