"""The classical algorithm as a package: nothing is learned, all the rest of a training and an export happens."""

from pathlib import Path

import numpy as np
from skimage.restoration import richardson_lucy

from zooscope import load_model
from zooscope.data import load_dataset
from zooscope.package_files import PackageFiles
from zooscope_zoo.packaging.export import export
from zooscope_zoo.packaging.formats import make_formats
from zooscope_zoo.packaging.trained import read_run
from zooscope_zoo.richardson_lucy.psf import gaussian_psf
from zooscope_zoo.train import train

CLASSICAL = ("network.width=0", "network.iterations=5", "network.sigma_px=1", "network.psf_px=7", "training.steps=1")
QUICK = ("training.patch_px=64", "training.workers=0", "training.batch=1")


def trained(folder: Path, *changes: str) -> Path:
    changes = (*CLASSICAL, *QUICK, *changes)
    train("richardson-lucy", ["demo-noisy"], folder, changes=changes, progress=False, say=lambda line: None)
    return folder


def test_it_is_trained_for_one_step_exported_and_answers_as_scikit_image_does(tmp_path: Path):
    run = trained(tmp_path / "run")
    assert list((run / "previews").iterdir())
    package = export(run, tmp_path / "rl.zip")
    card = PackageFiles(package).read("README.md").decode()
    assert "their standard deviation scales every image alike" in card
    assert "One step of 1 patches" in card
    model = load_model(package, device="cpu")
    image = np.clip(next(iter(load_dataset("demo-noisy"))).image.values, 0, None)
    found = model.predict(image)
    scale = image.max()
    psf = gaussian_psf(sigma_px=1, size_px=7)
    expected = richardson_lucy(image.astype(np.float64) / scale, psf, num_iter=5, clip=False) * scale
    inside = (slice(16, -16), slice(16, -16))
    np.testing.assert_allclose(found[inside], expected[inside], atol=2e-3 * scale)


def test_with_total_variation_its_formats_agree_from_the_first_step_on_where_the_estimate_is_flat(tmp_path: Path):
    formats = make_formats(read_run(trained(tmp_path / "run", "network.total_variation=0.02")))
    assert {item.format for item in formats.parity} == {"TorchScript", "ONNX"}
    assert np.isfinite(formats.output).all()
