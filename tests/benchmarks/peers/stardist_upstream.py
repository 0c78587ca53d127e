"""Upstream's side: `python stardist_upstream.py DATA.npz FOLDER`, where stardist 0.9 and TensorFlow are installed.

    python -m venv peer && peer/bin/pip install stardist==0.9.2 tensorflow

FOLDER holds a model of its own training; where there is none it is trained first, on the images of DATA.npz.
See test_stardist_beside_upstream.py.
"""

import contextlib
import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import stardist
import tensorflow as tf
from csbdeep.utils import normalize
from csbdeep.utils.tf import keras_import
from serve import mean_seconds, serve
from stardist.models import Config2D, StarDist2D, StarDistData2D

keras = keras_import()
RNG = np.random.default_rng(0)

FEW_STEPS = {"epochs": 4, "steps_per_epoch": 100}
"""Enough, at three times upstream's learning rate, for maps that decode to about as many objects as there are."""


def config(**changes: Any) -> Config2D:
    """Upstream's defaults but for the grid, which its examples set to 2."""
    return Config2D(n_rays=32, grid=(2, 2), train_tensorboard=False, **changes)


def augment(image: Any, labels: Any) -> tuple[Any, Any]:
    """What upstream's example notebook does: flips and rotations, gain and offset, noise."""
    turns, flip = RNG.integers(4), RNG.integers(2)
    image, labels = (np.rot90(array, turns) for array in (image, labels))
    if flip:
        image, labels = image[:, ::-1], labels[:, ::-1]
    image = image * RNG.uniform(0.6, 2) + RNG.uniform(-0.2, 0.2)
    return image + 0.02 * RNG.uniform() * RNG.normal(0, 1, image.shape), labels


class Training:
    """Batches and steps as `StarDist2D.train` makes them, without its checkpoints and validation."""

    def __init__(self, images: Any, labels: Any) -> None:
        self.model = StarDist2D(config(), basedir=None)
        self.model.prepare_for_training()
        settings = self.model.config
        self.data = StarDistData2D(
            images, labels, batch_size=settings.train_batch_size, n_rays=settings.n_rays, length=10**6,
            patch_size=settings.train_patch_size, grid=settings.grid, augmenter=augment,
            foreground_prob=settings.train_foreground_only,
        )  # fmt: skip
        for index in range(len(images)):  # what it computes once an image, and a long training soon has
            for share in (0, 1):
                self.data.get_valid_inds(index, foreground_prob=share)
        self.kept = self.data[0]
        # the bare step without the four metrics that upstream computes on every batch
        other = StarDist2D(config(), basedir=None)
        other.prepare_for_training()
        self.bare = other.keras_model
        optimiser = keras.optimizers.Adam(settings.train_learning_rate)
        self.bare.compile(optimiser, loss=self.bare.loss, loss_weights=list(settings.train_loss_weights))

    def step(self, *, warm_up: int, steps: int) -> dict[str, Any]:
        """Network, loss, backward and optimiser on a batch in memory."""
        begin = 0.0
        for index in range(warm_up + steps):
            if index == warm_up:
                begin = time.perf_counter()
            self.bare.train_on_batch(*self.kept)
        return {"seconds": (time.perf_counter() - begin) / steps}

    def step_with_data(self, *, warm_up: int, steps: int) -> dict[str, Any]:
        """The same by `fit` on fresh patches, with upstream's metrics, as its own training runs."""
        ends: list[float] = []
        stamp = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: ends.append(time.perf_counter()))
        self.model.keras_model.fit(
            iter(self.data), epochs=1, steps_per_epoch=warm_up + steps, callbacks=[stamp], verbose=0
        )
        return {"seconds": (ends[-1] - ends[warm_up - 1]) / steps}


def trained(folder: Path, images: Any, labels: Any) -> StarDist2D:
    """The folder's model; trained for a few steps, with its thresholds tuned, where there is none."""
    if (folder / "thresholds.json").is_file():
        return StarDist2D(None, name=folder.name, basedir=str(folder.parent))
    model = StarDist2D(config(train_learning_rate=1e-3), name=folder.name, basedir=str(folder.parent))
    held = images[-8:], labels[-8:]
    model.train(images[:-8], labels[:-8], validation_data=held, augmenter=augment, seed=0, **FEW_STEPS)
    model.optimize_thresholds(*held)
    return model


def main(data_path: str, folder: str) -> None:
    """Serve."""
    threads = int(os.environ["OMP_NUM_THREADS"])
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    data = np.load(data_path)
    images = list(data["test_images"])
    train_images, train_labels = list(data["train_images"]), list(data["train_labels"])
    with contextlib.redirect_stdout(sys.stderr):  # StarDist and Keras print; stdout is for answers
        training = Training(train_images, train_labels)
        model = trained(Path(folder), train_images, train_labels)
    bare = tf.function(lambda batch: model.keras_model(batch, training=False))

    def about() -> dict[str, Any]:
        settings = model.config
        return {
            "batch_norm": settings.unet_batch_norm,
            "batch": training.model.config.train_batch_size,
            "patch_px": training.model.config.train_patch_size[0],
            "parameters": int(sum(np.prod(value.shape) for value in training.model.keras_model.trainable_weights)),
            "rays": settings.n_rays,
            "grid": settings.grid[0],
            "thresholds": dict(model.thresholds._asdict()),
            "threads": threads,
            "stardist": stardist.__version__,
            "tensorflow": tf.__version__,
            "keras": getattr(keras, "__version__", "2"),
        }

    def network() -> dict[str, Any]:
        """NumPy in, NumPy out, as one TensorFlow function: without what `keras_model.predict` adds."""
        ready = [normalize(image, 1, 99.8).astype(np.float32)[None, ..., None] for image in images]
        return {"seconds": mean_seconds(lambda batch: [part.numpy() for part in bare(batch)], ready)[0]}

    def predict() -> dict[str, Any]:
        """From the raw image to labels."""
        seconds, found = mean_seconds(lambda image: model.predict_instances(normalize(image, 1, 99.8)), images)
        return {"seconds": seconds, "objects": [int(labels.max()) for labels, _ in found]}

    def decode(path: str) -> dict[str, Any]:
        """Suppression and painting, from our maps."""
        file = np.load(path)
        thresholds = {"prob_thresh": float(file["prob_threshold"]), "nms_thresh": float(file["nms_threshold"])}
        maps = [(one[0], np.ascontiguousarray(np.moveaxis(one[1:], 0, -1))) for one in file["maps"]]
        seconds, found = mean_seconds(
            lambda pair: model._instances_from_prediction(images[0].shape, *pair, **thresholds), maps
        )
        return {"seconds": seconds, "objects": [len(np.unique(labels)) - 1 for labels, _ in found]}

    serve(
        {
            "about": about,
            "step": training.step,
            "step_with_data": training.step_with_data,
            "network": network,
            "predict": predict,
            "decode": decode,
        }
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
