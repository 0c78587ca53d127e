"""Objects by thresholds: label images of gray images."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.feature import peak_local_max
from skimage.filters import gaussian, threshold_local, threshold_otsu
from skimage.measure import label
from skimage.morphology import remove_small_objects
from skimage.segmentation import watershed

Labels = NDArray[np.int32]


def otsu_watershed(image: NDArray[np.float32], *, sigma_px: float = 1.0, min_distance_px: int = 7) -> Labels:
    """Otsu's threshold of the smoothed image, touching objects cut by a watershed on the distance transform.

    The minority of the pixels is foreground, so that nuclei may be brighter or darker than the rest.
    """
    smooth = gaussian(image, sigma_px, preserve_range=True)
    if np.ptp(smooth) == 0:
        return np.zeros(image.shape, np.int32)
    return _split(_minority(smooth > threshold_otsu(smooth)), min_distance_px, min_size_px=16)


def local_threshold(
    image: NDArray[np.float32],
    *,
    block_px: int = 101,
    offset: float = 0.05,
    min_distance_px: int = 7,
    min_size_px: int = 32,
) -> Labels:
    """A threshold that follows the neighbourhood, cut as in `otsu_watershed`.

    Foreground lies above the Gaussian-weighted mean of a block of `block_px` by `offset` of the image's range from
    percentile 1 to 99.8. An image whose bright pixels are the majority is inverted first.
    """
    low, high = np.percentile(image, (1, 99.8))
    if high <= low:
        return np.zeros(image.shape, np.int32)
    scaled = np.clip((gaussian(image, 1.0, preserve_range=True) - low) / (high - low), 0, 1)
    if (scaled > threshold_otsu(scaled)).mean() > 0.5:
        scaled = 1 - scaled
    mask = ndimage.binary_fill_holes(scaled > threshold_local(scaled, block_px, method="gaussian") + offset)
    return _split(np.asarray(mask), min_distance_px, min_size_px=min_size_px)


def _minority(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    return ~mask if mask.mean() > 0.5 else mask


def _split(mask: NDArray[np.bool_], min_distance_px: int, *, min_size_px: int) -> Labels:
    """Cut touching objects at the necks of their distance transform; drop those below `min_size_px` pixels."""
    mask = remove_small_objects(mask, max_size=min_size_px - 1)
    distance = gaussian(ndimage.distance_transform_edt(mask), 1.0, preserve_range=True)
    parts = label(mask)
    peaks = peak_local_max(distance, min_distance=min_distance_px, labels=parts, exclude_border=False)
    seeds = np.zeros(mask.shape, np.int32)
    seeds[tuple(peaks.T)] = np.arange(1, len(peaks) + 1)
    return watershed(-distance, seeds, mask=mask).astype(np.int32)
