"""The most probable value of each pixel among draws of the clean images that a noisy one may be of."""

import numpy as np
from numpy.typing import NDArray

WIDTHS = 2.0 ** np.arange(2, -1, -1)
"""Of the kernel, one after the other, in Silverman's width: wide ones lead to the highest peak, not the nearest."""


def most_probable(draws: NDArray[np.floating], *, shifts: int = 20) -> NDArray[np.float32]:
    """The mode of each pixel's distribution; (n, c, y, x) -> float32 (c, y, x), in the draws' units.

    Mean shift (Comaniciu and Meer 2002, doi:10.1109/34.1000236) from the median on with a Gaussian kernel, whose width
    goes down to Silverman's, 0.9 min(deviation, quartile distance / 1.34) n^(-1/5). Each pixel is on its own: where
    draws put an edge at different places, the answer may be of none of them. Takes three times the draws' memory.

    Parameters
    ----------
    shifts : at each width.
    """
    found = np.median(draws, axis=0).astype(np.float32)
    low, high = np.percentile(draws, (25, 75), axis=0)
    deviation = draws.std(axis=0)
    silverman = 0.9 * np.clip((high - low) / 1.34, 1e-6 * deviation, deviation) * len(draws) ** -0.2
    for width in WIDTHS:
        scale = np.maximum(width * silverman, np.finfo(np.float32).tiny).astype(np.float32)
        for _ in range(shifts):
            log_weights = -0.5 * ((draws - found) / scale) ** 2
            weights = np.exp(log_weights - log_weights.max(axis=0))  # the nearest draw has weight 1: never all zero
            found = ((weights * draws).sum(axis=0) / weights.sum(axis=0)).astype(np.float32)
    return found
