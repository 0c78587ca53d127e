"""A histogram noise model, counted from pixels whose signal is known."""

import numpy as np
import torch

from zooscope_zoo.nn.noise_histogram import Histogram
from zooscope_zoo.noise_models.fit import LEAST, Pixels, flat_pixels


def count_histogram(observed: Pixels, signal: Pixels, *, signal_bins: int = 64, observed_bins: int = 256) -> Histogram:
    """The distribution of observed values in each bin of the signal.

    One pixel, spread over all bins, is added to each histogram, so that no value is impossible. A bin of the signal
    with fewer than 1000 pixels also takes those of its neighbours, moved along.

    Parameters
    ----------
    observed, signal : of one shape, intensity units.

    Raises
    ------
    DataError : too few pixels, one signal alone, or values that are not finite.
    """
    x, s = flat_pixels(observed, signal)
    model = Histogram(signal_bins, observed_bins)
    ends = (float(s.min()), float(s.max())), (float(x.min()), float(np.nextafter(x.max(), np.inf)))
    (model.low, model.high), (model.least, model.most) = ((torch.tensor(end) for end in pair) for pair in ends)
    counts, _, _ = np.histogram2d(s, x, bins=(signal_bins, observed_bins), range=ends)
    width = (ends[1][1] - ends[1][0]) / observed_bins
    step = (ends[0][1] - ends[0][0]) / signal_bins / width
    counts = np.stack([_pooled(counts, row, step) for row in range(signal_bins)])
    density = (counts + 1 / observed_bins) / ((counts.sum(1, keepdims=True) + 1) * width)
    model.log_density = torch.from_numpy(np.log(density)).float()
    return model


def _pooled(counts: Pixels, row: int, step: float) -> Pixels:
    """A row's counts, and those of as many rows around it as make 1000 pixels; a row is `step` bins from the next."""
    rows = np.argsort(np.abs(np.arange(len(counts)) - row), kind="stable")
    enough = int(np.searchsorted(counts.sum(1)[rows].cumsum(), LEAST)) + 1
    return np.sum([_moved(counts[other], round((row - other) * step)) for other in rows[:enough]], axis=0)


def _moved(counts: Pixels, by: int) -> Pixels:
    """Counts moved by so many bins; those beyond the end gather in the last one."""
    at = np.clip(np.arange(counts.size) + by, 0, counts.size - 1)
    return np.bincount(at, counts, minlength=counts.size)
