"""What a trained PN2V makes of a data set's images, as images of their own, for `zooscope score`.

usage: python tools/pn2v_images.py RUN DATASET OUT [--noise trained|group] [--prior] [--strata PATTERN] [--split test]

RUN is a training's folder or the id of shipped weights. Writes OUT/<id>.npy, float32 (y, x): the samples of each pixel
weighed by the noise model, that of the training or one fitted to the training images of the image's group; with --prior
their plain mean, which knows of no noise. Several runs, each for its strata, may write to one folder.
"""

import argparse
import fnmatch
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from zooscope.data import Dataset, load_dataset
from zooscope.progress import track
from zooscope_zoo.noise_models import files
from zooscope_zoo.noise_models.fit import fit_mixture
from zooscope_zoo.noise_models.of_data import dataset_pixels
from zooscope_zoo.packaging.trained import Trained, read_run
from zooscope_zoo.training.images import split_samples
from zooscope_zoo.training.normalisation import Normalisation


def write(
    run: str, dataset: str, out: Path, *, by_group: bool, prior: bool, strata: str = "*", split: str = "test"
) -> None:
    """Write the images of the strata, group by group."""
    data = load_dataset(dataset)
    table = data.only(split).table
    table = table.loc[[fnmatch.fnmatchcase(stratum, strata) for stratum in table["stratum"]]]
    out.mkdir(parents=True, exist_ok=True)
    groups = table.groupby("group").groups
    for group, ids in track(groups.items(), "groups", len(groups), show=True):
        trained = with_noise_of(run, data, str(group)) if by_group else read_run(run)
        for id in map(str, ids):
            np.save(out / f"{id}.npy", restored(trained, data[id].image.values.astype(np.float32), prior=prior))


def with_noise_of(run: str, data: Dataset, group: str) -> Trained:
    """The network with the noise model of a group's training images."""
    training: Sequence[str] = split_samples(data, strata="*")[0]
    pixels = dataset_pixels(data, [id for id in training if data.table.loc[id, "group"] == group])
    settings = read_run(run).config.network
    model = fit_mixture(*pixels, components=settings["components"], degree=settings["degree"])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "noise.safetensors"
        files.save(model, path)
        return read_run(run, changes=[f"network.noise_model={path}"])


def restored(trained: Trained, image: NDArray[np.float32], *, prior: bool) -> NDArray[np.float32]:
    """A gray image (y, x), continued by its mirror image as far as the network needs it."""
    scaled, step = trained.normalisation, trained.method.multiple_px(trained.settings)
    assert isinstance(scaled, Normalisation)
    padded = np.pad(scaled.image(image[None]), [(0, 0), *((0, -size % step) for size in image.shape)], "reflect")
    with torch.inference_mode():
        maps = trained.network()(torch.from_numpy(padded.astype(np.float32))[None]).numpy()
    return scaled.undone(maps, intensities=2)[0, int(prior), : image.shape[0], : image.shape[1]]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run")
    parser.add_argument("dataset")
    parser.add_argument("out", type=Path)
    parser.add_argument("--noise", choices=("trained", "group"), default="trained")
    parser.add_argument("--prior", action="store_true")
    parser.add_argument("--strata", default="*")
    parser.add_argument("--split", default="test")
    a = parser.parse_args()
    write(a.run, a.dataset, a.out, by_group=a.noise == "group", prior=a.prior, strata=a.strata, split=a.split)
