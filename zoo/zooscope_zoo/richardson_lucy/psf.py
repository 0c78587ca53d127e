"""Point spread functions of a plane: Gaussian, of a microscope's optics, measured. All float64 (n, n), n odd, sum 1."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import j0

from zooscope.errors import DataError
from zooscope.imagefile import read_array

Psf = NDArray[np.float64]


def gaussian_psf(*, sigma_px: float, size_px: int) -> Psf:
    """exp(-r^2 / (2 sigma^2)) at the pixels' middles."""
    y, x = np.mgrid[:size_px, :size_px] - size_px // 2
    return _unit(np.exp(-(y**2 + x**2) / (2 * sigma_px**2)))


def gibson_lanni_psf(
    *,
    size_px: int,
    pixel_size_um: float,
    wavelength_um: float,
    aperture: float,
    immersion_index: float = 1.515,
    sample_index: float = 1.33,
    depth_um: float = 0.0,
    defocus_um: float = 0.0,
    oversampling: int = 5,
) -> Psf:
    """A widefield microscope's, of a point at a depth below the cover glass (Gibson and Lanni 1992).

    |integral over rho of J0(2 pi / lambda NA r rho) exp(i W(rho)) rho| squared, rho from 0 to 1 in the pupil, with the
    difference of optical paths W = 2 pi / lambda (depth (sqrt(ns^2 - NA^2 rho^2) - ni / ns sqrt(ni^2 - NA^2 rho^2)) +
    defocus sqrt(ni^2 - NA^2 rho^2)), doi:10.1364/JOSAA.9.000154; the cover glass and the immersion are as the lens was
    designed for. Without depth and defocus it is the Airy pattern.

    Parameters
    ----------
    pixel_size_um, wavelength_um : in the sample, and of the emitted light in vacuum.
    aperture : numerical aperture; not above the indices.
    oversampling : points along an edge that a pixel is averaged over.

    Raises
    ------
    DataError : an aperture above an index of refraction.
    """
    if aperture >= min(immersion_index, sample_index if depth_um else immersion_index):
        raise DataError(
            f"aperture {aperture:g} is above an index ({immersion_index:g}, {sample_index:g}) it looks into"
        )
    nodes, weights = np.polynomial.legendre.leggauss(200)
    rho, weight = (nodes + 1) / 2, weights / 2
    k = 2 * np.pi / wavelength_um
    immersion = np.sqrt(immersion_index**2 - (aperture * rho) ** 2)
    path = defocus_um * immersion
    if depth_um:
        sample = np.sqrt(sample_index**2 - (aperture * rho) ** 2)
        path = path + depth_um * (sample - immersion_index / sample_index * immersion)
    pupil = weight * rho * np.exp(1j * k * path)
    # the pattern along a radius, fine enough to be interpolated to every point of a pixel
    step = pixel_size_um / (4 * oversampling)
    radii = np.arange(0, size_px * pixel_size_um, step)
    profile = np.abs(j0(k * aperture * radii[:, None] * rho) @ pupil) ** 2
    inside = (np.arange(oversampling) + 0.5) / oversampling - 0.5
    places = (np.arange(size_px)[:, None] - size_px // 2 + inside).ravel() * pixel_size_um
    distance = np.hypot(places[:, None], places)
    fine = np.interp(distance, radii, profile)
    return _unit(fine.reshape(size_px, oversampling, size_px, oversampling).mean((1, 3)))


def measured_psf(image: NDArray[np.generic], *, size_px: int, source: str = "the image") -> Psf:
    """Of an image of a small bead: its brightest pixel's surroundings above the image's median.

    Raises
    ------
    DataError : no bead of that size wholly inside the image.
    """
    values = np.asarray(image, np.float64)
    if values.ndim != 2:
        raise DataError(f"{source}: shape {values.shape}; a plane (y, x) with one bead is expected")
    values = np.clip(values - np.median(values), 0, None)
    y, x = np.unravel_index(int(values.argmax()), values.shape)
    radius = size_px // 2
    part = values[max(0, y - radius) : y + radius + 1, max(0, x - radius) : x + radius + 1]
    if part.shape != (size_px, size_px) or not part.any():
        raise DataError(f"{source}: its brightest pixel ({y}, {x}) has no {size_px} px around it inside the image")
    return _unit(part)


def read_psf(path: Path, *, size_px: int) -> Psf:
    """`measured_psf` of an image file."""
    return measured_psf(read_array(path), size_px=size_px, source=str(path))


def _unit(values: Psf) -> Psf:
    return values / values.sum()
