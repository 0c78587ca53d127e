"""Upstream's side: `python noise2void_careamics.py DATA.npz OUT.npz MINUTES`, where careamics 0.3.5 is installed.

    python -m venv peer && peer/bin/pip install careamics==0.3.5

Trains its N2V2 on `train` (n, y, x) float32 for so long, and restores each `test <id>`. OUT.npz gets `direct <id>`, the
network of the last step on the whole image; `predict <id>`, what its own predict() gives; and how long it took.
See test_noise2void_beside_careamics.py.
"""

import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from careamics import CAREamist
from careamics.config.factories import create_advanced_n2v_config

WIDTH, BATCH, PATCH_PX = 32, 16, 64
"""Of the run that the other side is compared with; the rest are CAREamics' defaults."""


def trained(images: Any, minutes: float, folder: Path) -> tuple[CAREamist, float]:
    """Its N2V2 after so many minutes, and the seconds that it took."""
    config = create_advanced_n2v_config(
        "bsd68", "array", "SYX", [PATCH_PX, PATCH_PX], BATCH,
        num_epochs=10_000, use_n2v2=True, model_params={"num_channels_init": WIDTH}, seed=1,
        trainer_params={"max_time": {"seconds": int(60 * minutes)}},
    )  # fmt: skip
    careamist = CAREamist(config, work_dir=folder, enable_progress_bar=False)
    begin = time.perf_counter()
    careamist.train(train_data=images)
    return careamist, time.perf_counter() - begin


def direct(network: Any, image: Any, mean: float, std: float) -> Any:
    """The network on a whole image, continued by its mirror image to what four poolings take."""
    pads = [(0, -length % 16) for length in image.shape]
    tensor = torch.from_numpy(np.pad((image - mean) / std, pads, mode="reflect")[None, None].astype("float32"))
    with torch.inference_mode():
        answer = network(tensor)[0, 0].numpy()
    return answer[: image.shape[0], : image.shape[1]] * std + mean


def main(data: Path, out: Path, minutes: float) -> None:
    """Train, restore, write."""
    with np.load(data) as content:
        train = content["train"]
        test = {name.removeprefix("test "): content[name] for name in content.files if name.startswith("test ")}
    careamist, seconds = trained(train, minutes, out.parent / "careamics")
    network = careamist.model.model.eval()
    mean, std = float(train.mean()), float(train.std())
    found = {f"direct {id}": direct(network, image, mean, std) for id, image in test.items()}
    for id, image in test.items():
        answer, _ = careamist.predict(image, axes="YX", tile_size=(256, 256))
        found[f"predict {id}"] = np.squeeze(answer[0])
    parameters = sum(value.numel() for value in network.parameters())
    np.savez(out, steps=careamist.trainer.global_step, seconds=seconds, parameters=parameters, **found)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]).absolute(), float(sys.argv[3]))
