"""Data sets: cards, verified downloads, readers, and the cache of decoded samples."""

from zooscope.data.dataset import Dataset, load_dataset
from zooscope.data.split import split_folder

__all__ = ["Dataset", "load_dataset", "split_folder"]
