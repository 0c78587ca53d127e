"""Our side: `python stardist_ours.py DATA.npz MODEL`, with zooscope installed. See test_stardist_beside_upstream.py."""

import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from serve import mean_seconds, serve
from torch.utils.data import DataLoader

import zooscope
from zooscope import plugins
from zooscope.decode.stardist import decode
from zooscope_zoo.training.config import make_config
from zooscope_zoo.training.images import TrainingImage, normalise
from zooscope_zoo.training.loop import Trainee, _step
from zooscope_zoo.training.object_patches import ObjectPatches
from zooscope_zoo.training.patches import Steps


class Training:
    """The method's default configuration, as `zooscope train` runs it."""

    def __init__(self, images: Any, labels: Any) -> None:
        self.method = plugins.load("methods", "stardist")
        self.config, self.network_config = make_config(self.method, ["dsb2018"])
        self.network = self.method.network(self.network_config).to(memory_format=torch.channels_last)
        self.accelerator = Accelerator()
        trainee: Any = Trainee(self.method, self.network_config, self.network)
        optimiser = torch.optim.AdamW(trainee.parameters())
        self.trainee, self.optimiser = self.accelerator.prepare(trainee, optimiser)
        none = np.zeros((0, *labels.shape[1:]), np.float32)
        items = [TrainingImage(str(i), x[None], y, none) for i, (x, y) in enumerate(zip(images, labels, strict=True))]
        patches = ObjectPatches(items, self._targets, self.config.training, self.config.augment)
        self.steps = Steps(patches, self.config.training)
        self.kept = self.steps[0]

    def step(self, *, warm_up: int, steps: int) -> dict[str, Any]:
        """Network, loss, backward and optimiser on a batch in memory."""
        return {"seconds": self._timed(lambda: self.kept, warm_up, steps)}

    def step_with_data(self, *, warm_up: int, steps: int) -> dict[str, Any]:
        """The same on fresh patches: cut, augmented and with targets, by a process beside the training."""
        settings = self.config.training
        loader = DataLoader(
            self.steps, batch_size=None, sampler=range(10 * (warm_up + steps)), num_workers=settings.workers,
            prefetch_factor=4 if settings.workers else None,
        )  # fmt: skip
        fresh = iter(loader)
        return {"seconds": self._timed(lambda: next(fresh), warm_up, steps)}

    def _timed(self, batch: Callable[[], Any], warm_up: int, steps: int) -> float:
        begin = 0.0
        for index in range(warm_up + steps):
            if index == warm_up:
                begin = time.perf_counter()
            _step(self.trainee, self.optimiser, self.accelerator, batch(), clip_norm=self.config.training.clip_norm)
        return (time.perf_counter() - begin) / steps

    def _targets(self, labels: Any, planes: Any) -> Any:
        return self.method.targets(labels, planes, self.network_config)


def main(data_path: str, model_name: str) -> None:
    """Serve."""
    data = np.load(data_path)
    images = list(data["test_images"])
    training = Training(data["train_images"], data["train_labels"])
    model = zooscope.load_model(model_name, device="cpu")
    choice = model.package.decoder
    assert choice is not None

    def about() -> dict[str, Any]:
        return {
            "batch_norm": training.network_config.norm,
            "batch": training.config.training.batch,
            "patch_px": training.config.training.patch_px,
            "parameters": sum(value.numel() for value in training.network.parameters()),
            "rays": training.network_config.rays,
            "grid": training.network_config.grid,
            "model": model_name,
            "weights_format": model.weights_format,
            "decoder": choice.params,
            "threads": torch.get_num_threads(),
            "torch": torch.__version__,
        }

    def network() -> dict[str, Any]:
        """NumPy in, NumPy out."""
        ready = [normalise(image[None].astype(np.float32)) for image in images]
        return {"seconds": mean_seconds(model.run_tile, ready)[0]}

    def predict() -> dict[str, Any]:
        """From the raw image to labels."""
        seconds, found = mean_seconds(model.predict, images)
        return {"seconds": seconds, "objects": [int(labels.max()) for labels in found]}

    def write_maps(path: str) -> dict[str, Any]:
        maps = np.stack([model.predict(image, return_maps=True)[1] for image in images])
        np.savez(path, maps=maps, **choice.params)
        return {}

    def decode_maps(path: str) -> dict[str, Any]:
        """Suppression and painting, from the maps that `write_maps` wrote."""
        file = np.load(path)
        params = {name: float(file[name]) for name in choice.params}
        seconds, found = mean_seconds(lambda maps: decode(maps, images[0].shape, **params), file["maps"])
        return {"seconds": seconds, "objects": [int(labels.max()) for labels, _ in found]}

    serve(
        {
            "about": about,
            "step": training.step,
            "step_with_data": training.step_with_data,
            "network": network,
            "predict": predict,
            "write_maps": write_maps,
            "decode": decode_maps,
        }
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
