"""Predict image files with a package and write label images."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from zooscope import atomic
from zooscope.errors import UsageError
from zooscope.imagefile import SUFFIXES, encode_tiff, read_image, smallest_labels
from zooscope.model import load_model
from zooscope.progress import track


def predict_files(
    package: str | Path,
    images: Sequence[Path],
    output: Path,
    *,
    device: str = "auto",
    weights: str | None = None,
    decoder: str | None = None,
    trust: bool = False,
    overwrite: bool = False,
    progress: bool = False,
) -> Iterator[tuple[Path, int]]:
    """Write `<output>/<stem>.tif`, a label image, for every image; yield its path and number of objects.

    A folder among `images` stands for the images in it.

    Raises
    ------
    UsageError : two images of one name, or a label image that is there already; found before anything is predicted.
    DataError : an image that cannot be read. PackageError : a package that cannot run here.
    """
    images = [file for path in images for file in (_images_in(path) if path.is_dir() else [path])]
    targets = [output / f"{path.stem}.tif" for path in images]
    for path, target in zip(images, targets, strict=True):
        if targets.count(target) > 1:
            raise UsageError(f"{path}: another image would be written to {target} too")
        if target.resolve() == path.resolve():
            raise UsageError(f"{path}: its labels would replace the image; choose another --output")
        if target.exists() and not overwrite:
            raise UsageError(f"{target}: exists; --overwrite replaces it")
    model = load_model(package, weights=weights, device=device, decoder=decoder, trust=trust)
    for path, target in track(zip(images, targets, strict=True), "predicting", len(images), show=progress):
        image = read_image(path)
        labels = model.predict(image.values, "".join(str(dim) for dim in image.dims))
        atomic.write_bytes(target, encode_tiff(smallest_labels(labels)))
        yield target, int(labels.max(initial=0))


def _images_in(folder: Path) -> list[Path]:
    found = [path for path in sorted(folder.iterdir()) if path.suffix.lower() in SUFFIXES and path.is_file()]
    if not found:
        raise UsageError(f"{folder}: holds no images ({', '.join(SUFFIXES)})")
    return found
