"""Point spread functions: of sum 1, of the optics' theory, of a measured bead."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
from scipy.special import j1

from zooscope.data.card import find_card
from zooscope.errors import DataError, UsageError
from zooscope_zoo.richardson_lucy.method import METHOD
from zooscope_zoo.richardson_lucy.psf import gaussian_psf, gibson_lanni_psf, measured_psf
from zooscope_zoo.training.config import make_config

OPTICS = {"pixel_size_um": 0.02, "wavelength_um": 0.52, "aperture": 1.2}


def test_a_gaussian_has_the_asked_for_deviation():
    psf = gaussian_psf(sigma_px=2, size_px=31)
    y = np.arange(31) - 15
    assert psf.sum() == pytest.approx(1)
    assert np.sqrt((psf.sum(1) * y**2).sum()) == pytest.approx(2, rel=1e-3)


def test_in_focus_a_microscopes_is_the_airy_pattern():
    psf = gibson_lanni_psf(size_px=61, **OPTICS, oversampling=1)
    r = np.abs(np.arange(61) - 30) * 0.02
    v = 2 * np.pi / 0.52 * 1.2 * np.where(r == 0, 1e-9, r)
    airy = (2 * j1(v) / v) ** 2
    np.testing.assert_allclose(psf[30] / psf[30, 30], airy, atol=2e-4)
    assert psf.sum() == pytest.approx(1)
    dark = 0.61 * 0.52 / 1.2
    assert psf[30, 30 + round(dark / 0.02)] < 0.002 * psf[30, 30]


@pytest.mark.parametrize("change", [{"defocus_um": 1.0}, {"depth_um": 5.0}])
def test_out_of_focus_or_deep_in_water_it_is_wider(change: dict[str, float]):
    sharp, wide = (gibson_lanni_psf(size_px=61, **OPTICS, **more) for more in ({}, change))
    assert wide.max() < 0.8 * sharp.max()
    np.testing.assert_allclose(wide, wide[::-1], atol=1e-12)
    np.testing.assert_allclose(wide, wide.T, atol=1e-12)


def test_an_aperture_that_no_glass_allows_is_refused():
    with pytest.raises(DataError, match=r"aperture 1\.6 is above an index"):
        gibson_lanni_psf(size_px=9, pixel_size_um=0.1, wavelength_um=0.5, aperture=1.6)


def test_a_bead_is_found_over_its_background_and_travels_in_the_weights(tmp_path: Path):
    bead = np.full((40, 50), 100.0, np.float32)
    bead[10:21, 20:31] += 1000 * gaussian_psf(sigma_px=1.5, size_px=11)
    tifffile.imwrite(tmp_path / "bead.tif", bead)
    np.testing.assert_allclose(measured_psf(bead, size_px=11), gaussian_psf(sigma_px=1.5, size_px=11), atol=1e-6)
    change = ["network.psf=measured", f"network.psf_file={tmp_path / 'bead.tif'}", "network.psf_px=11"]
    _, config = make_config(METHOD, ["demo-noisy"], change)
    weights = METHOD.network(config).state_dict()
    (tmp_path / "bead.tif").unlink()
    later = METHOD.network(config)
    later.load_state_dict(weights)
    np.testing.assert_allclose(later.psf, gaussian_psf(sigma_px=1.5, size_px=11), atol=1e-6)


def test_a_bead_at_the_edge_is_refused():
    bead = np.zeros((40, 50), np.float32)
    bead[2, 3] = 1
    with pytest.raises(DataError, match=r"its brightest pixel \(2, 3\) has no 11 px around it"):
        measured_psf(bead, size_px=11)


def test_settings_that_do_not_go_together_are_named():
    for change, what in (("network.psf_px=8", "psf_px=8 is even"), ("network.psf=measured", "goes with psf_file")):
        with pytest.raises(UsageError, match=what):
            make_config(METHOD, ["demo-noisy"], [change])


def test_the_method_begins_with_the_blur_that_the_data_set_was_made_with():
    _, config = make_config(METHOD, ["dsb2018-blurred"])
    blur = find_card("dsb2018-blurred")[0].blur
    np.testing.assert_allclose(METHOD.network(config).psf, blur.psf(), atol=1e-7)
