"""Compare the metrics of restored images with other people's code on real images; write reports/metrics.

usage: PYTHONPATH=peers python tools/restoration_references.py

`peers` is a folder made by `pip install --target peers --no-deps pytorch-msssim==1.0.0`; the rest comes with zooscope.
ZOOSCOPE_MIRROR must hold the archives named in `ARCHIVES`. Compared are BSD68's 68 images under seeded Gaussian noise,
smoothed, and the 48 noisy frames of FMD's mixed test set as they are; both as float64.
"""

import json
import os
import sys
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import csbdeep.utils as care
import imagecodecs
import numpy as np
import torch
from numpy.typing import NDArray
from pytorch_msssim import ms_ssim  # pyright: ignore[reportMissingImports]
from scipy.ndimage import gaussian_filter
from skimage.metrics import normalized_root_mse, peak_signal_noise_ratio, structural_similarity
from skimage.util import img_as_ubyte

from zooscope.atomic import write_text
from zooscope.metrics import measure
from zooscope.sample import Task

REPORTS = Path(__file__).parents[1] / "reports" / "metrics"
ARCHIVES = {"bsd68": "bsd68/*.zip", "fmd": "fmd/*.zip"}
Image = NDArray[np.float64]


def pairs() -> Iterator[tuple[Image, Image]]:
    """(prediction, truth) of every image."""
    rng = np.random.default_rng(0)
    for truth in _images("bsd68", "testsets/BSD68/").values():
        clean = truth[..., 0] if truth.ndim == 3 else truth
        yield gaussian_filter(clean + rng.normal(0, 25, clean.shape), 0.8), clean.astype(np.float64)
    truths, noisy = _images("fmd", "FMD_testset/gt/"), _images("fmd", "FMD_testset/raw/")
    for name, truth in truths.items():
        yield noisy[name].astype(np.float64), truth.astype(np.float64)


def _images(archive: str, folder: str) -> dict[str, NDArray[np.uint8]]:
    (path,) = Path(os.environ["ZOOSCOPE_MIRROR"]).glob(ARCHIVES[archive])
    with zipfile.ZipFile(path) as files:
        names = sorted(name for name in files.namelist() if folder in name and name.endswith(".png"))
        return {name.partition(folder)[2]: imagecodecs.png_decode(files.read(name)) for name in names}


def references(prediction: Image, truth: Image) -> Iterator[tuple[str, str, float]]:
    """(column of the record, whose code, its value)."""
    span = float(np.ptp(truth))
    clamped = prediction.clip(0, 255)
    yield "psnr.range-255", "skimage", peak_signal_noise_ratio(truth, prediction, data_range=255)
    yield "psnr.range-gt", "skimage", peak_signal_noise_ratio(truth, prediction, data_range=span)
    yield "psnr.range-255-clamped", "skimage, of the clamped", peak_signal_noise_ratio(truth, clamped, data_range=255)
    rounded = img_as_ubyte(clamped / 255), truth.astype(np.uint8)
    yield "psnr.range-255-uint8", "skimage, of img_as_ubyte", peak_signal_noise_ratio(*rounded[::-1], data_range=255)
    columns = np.stack([prediction.ravel(), np.ones(prediction.size)], 1)
    fitted = (columns @ np.linalg.lstsq(columns, truth.ravel())[0]).reshape(truth.shape)
    yield "psnr.range-gt-affine", "numpy lstsq, skimage", peak_signal_noise_ratio(truth, fitted, data_range=span)
    yield "nrmse.range-gt", "skimage, min-max", normalized_root_mse(truth, prediction, normalization="min-max")
    yield "nrmse.euclidean", "skimage, euclidean", normalized_root_mse(truth, prediction)
    gaussian = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    for name, size in (("255", 255.0), ("gt", span)):
        yield f"ssim.uniform-7-range-{name}", "skimage", _ssim(truth, prediction, data_range=size)
        yield f"ssim.gaussian-11-range-{name}", "skimage", _ssim(truth, prediction, data_range=size, **gaussian)
    normal = care.normalize(truth, 0.1, 99.9, dtype=np.float64)  # type: ignore[arg-type]  # it takes any
    near = care.normalize_minmse(prediction, normal)
    yield "nrmse.care", "csbdeep", float(np.sqrt(np.mean((normal - near) ** 2)))
    yield "psnr.care", "csbdeep, skimage", peak_signal_noise_ratio(normal, near, data_range=1)
    yield "ssim.care", "csbdeep, skimage", _ssim(normal, near, data_range=1)
    if truth.shape[0] % 16 == truth.shape[1] % 16 == 0:  # else it pads its five scales differently
        both = (torch.from_numpy(image)[None, None] for image in (prediction, truth))
        yield "ms-ssim.range-255", "pytorch-msssim, edges of 16 px", float(ms_ssim(*both, data_range=255))


def _ssim(*images: Image, **settings: object) -> float:
    return float(structural_similarity(*images, **settings))  # type: ignore[arg-type]


def compare() -> list[dict[str, object]]:
    """Largest difference of each score over all images."""
    largest: dict[tuple[str, str], float] = {}
    images: dict[tuple[str, str], int] = {}
    for prediction, truth in pairs():
        record: Mapping[str, float] = measure(prediction, truth, task=Task.RESTORATION)
        for column, source, value in references(prediction, truth):
            key = column, source
            images[key] = images.get(key, 0) + 1
            largest[key] = max(largest.get(key, 0.0), abs(value - record[column]))
    return [
        {"metric": f"{column}@1", "reference": source, "images": images[column, source], "difference": difference}
        for (column, source), difference in largest.items()
    ]


def main() -> int:
    """Write the table."""
    torch.set_num_threads(1)
    table = compare()
    write_text(REPORTS / "restoration.json", json.dumps(table, indent=1) + "\n")
    rows = [f"| `{r['metric']}` | {r['reference']} | {r['images']} | {r['difference']:.1e} |" for r in table]
    head = ["| our metric | reference | images | largest difference |", "|---|---|---:|---:|"]
    title = (
        "# Metrics of restored images beside other people's code\n\nBSD68 under smoothed noise, FMD's noisy frames.\n"
    )
    write_text(REPORTS / "restoration.md", "\n".join([title, *head, *rows]) + "\n")
    print("\n".join(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
