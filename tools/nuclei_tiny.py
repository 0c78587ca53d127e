"""Make zoo/weights/nuclei-tiny.zip again: a very small U-Net, so that the demo has a package to rank.

usage: python tools/nuclei_tiny.py train STATE.pt [--steps 6000]     (about half an hour on one core)
       python tools/nuclei_tiny.py package STATE.pt

Trained on the training split of dsb2018 alone; the decoder's parameters are chosen on its validation split.
"""

import argparse
import hashlib
import io
import itertools
import tempfile
import time
import zipfile
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import torch
import yaml
from numpy.typing import NDArray
from skimage.segmentation import find_boundaries
from torch import Tensor, nn

import zooscope
from zooscope.bundled import bundled
from zooscope.channels import to_channels
from zooscope.contender import contender
from zooscope.runkey import digest_of
from zooscope.sample import Sample
from zooscope.tune import tune

PATCH, BATCH = 192, 8


class TinyUNet(nn.Module):
    """Gray (b, 1, y, x) -> probabilities of foreground and of boundary (b, 2, y, x); y and x multiples of 8."""

    def __init__(self, width: int = 8, depth: int = 3) -> None:
        super().__init__()
        widths = [width * 2**level for level in range(depth + 1)]
        self.down = nn.ModuleList(_block(a, b) for a, b in zip([1, *widths], widths, strict=False))
        self.up = nn.ModuleList(_block(a + b, a) for a, b in reversed(list(itertools.pairwise(widths))))
        self.head = nn.Conv2d(width, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        skips: list[Tensor] = []
        for level, block in enumerate(self.down):
            x = block(x if level == 0 else nn.functional.max_pool2d(x, 2))
            skips.append(x)
        skips.pop()
        for block in self.up:
            x = nn.functional.interpolate(x, scale_factor=2.0, mode="nearest")
            x = block(torch.cat([x, skips.pop()], 1))
        return torch.sigmoid(self.head(x))


def _block(inputs: int, outputs: int) -> nn.Module:
    return nn.Sequential(
        *(nn.Conv2d(inputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.ReLU()),
        *(nn.Conv2d(outputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.ReLU()),
    )


def training_pair(sample: Sample) -> "Pair":
    """Image scaled from its percentiles 1 and 99.8 to 0 and 1 (y, x), and target (2, y, x)."""
    image = to_channels(sample.image, 1)[0].astype(np.float32)
    low, high = np.percentile(image, (1, 99.8))
    image = (image - low) / (high - low + 1e-6)
    edge = find_boundaries(sample.target, mode="inner", connectivity=2)
    return image.astype(np.float32), np.stack([sample.target > 0, edge]).astype(np.float32)


Pair = tuple[NDArray[np.float32], NDArray[np.float32]]


def patches(pairs: list[Pair], rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """A batch of random patches under random flips and rotations."""
    images, targets = [], []
    for index in rng.integers(len(pairs), size=BATCH):
        image, target = pairs[index]
        pad = [(0, max(0, PATCH - size)) for size in image.shape]
        image, target = np.pad(image, pad, mode="reflect"), np.pad(target, [(0, 0), *pad], mode="reflect")
        y, x = (int(rng.integers(size - PATCH + 1)) for size in image.shape)
        both = np.concatenate([image[None], target])[:, y : y + PATCH, x : x + PATCH]
        both = np.rot90(both, int(rng.integers(4)), axes=(1, 2))
        both = both[:, ::-1] if rng.integers(2) else both
        images.append(both[:1] * rng.uniform(0.7, 1.3) + rng.uniform(-0.1, 0.1))
        targets.append(both[1:])
    return torch.from_numpy(np.stack(images).astype(np.float32)), torch.from_numpy(np.stack(targets).astype(np.float32))


def train(state: Path, steps: int) -> None:
    """Train from a fixed seed and save the state dict."""
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    pairs = [training_pair(sample) for sample in zooscope.load_dataset("dsb2018", split="train")]
    network = TinyUNet().to(memory_format=torch.channels_last)
    print(sum(p.numel() for p in network.parameters()), "parameters")
    optimiser = torch.optim.AdamW(network.parameters(), lr=3e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=3e-3, total_steps=steps)
    begin = time.time()
    for step in range(steps):
        images, targets = patches(pairs, rng)
        found = network(images.contiguous(memory_format=torch.channels_last))
        weight = torch.tensor([1.0, 2.0]).view(1, 2, 1, 1)
        bce = (nn.functional.binary_cross_entropy(found, targets, reduction="none") * weight).mean()
        dice = 1 - ((2 * (found * targets).sum((0, 2, 3)) + 1) / ((found + targets).sum((0, 2, 3)) + 1)).mean()
        loss = bce + dice
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        if step % 100 == 99:
            print(step + 1, f"{loss.item():.4f} {time.time() - begin:.0f} s", flush=True)
            torch.save(network.state_dict(), state)


def package(state: Path) -> Path:
    """Write the package: TorchScript and ONNX of the weights in half precision, tests, decoder, card."""
    network = TinyUNet()
    network.load_state_dict(torch.load(state, weights_only=True))
    network.load_state_dict({name: value.half().to(value.dtype) for name, value in network.state_dict().items()})
    network.eval()
    target = bundled("weights") / "nuclei-tiny.zip"
    with tempfile.TemporaryDirectory() as folder:
        _write(Path(folder), network, params=None)
        params = _tuned(Path(folder))
        _write(Path(folder), network, params=params)
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in sorted(Path(folder).iterdir()):
                archive.writestr(zipfile.ZipInfo(path.name), path.read_bytes(), zipfile.ZIP_DEFLATED)
    return target


def _tuned(folder: Path) -> dict[str, float]:
    """The decoder's parameters that do best on the validation split of dsb2018."""
    found = contender(str(folder))
    assert found.open is not None, found.reason
    with found.open() as predictor:
        validation = zooscope.load_dataset("dsb2018", split="validation")
        params, score = tune(found, predictor, validation, key=digest_of("nuclei-tiny", found.digest, time.time()))
    print("validation:", params, score)
    return params


def _write(folder: Path, network: TinyUNet, *, params: dict[str, float] | None) -> None:
    sample = next(s for s in zooscope.load_dataset("demo", split="validation") if s.axes == "yx")
    image = to_channels(sample.image, 1)[None, :, :160, :160].astype(np.float32)
    low, high = np.percentile(image, (1, 99.8))
    ready = torch.from_numpy(((image - low) / (high - low + 1e-6)).astype(np.float32))
    with torch.no_grad():
        traced: Any = torch.jit.trace(network, ready)
        np.save(folder / "test_output.npy", network(ready).numpy())
    np.save(folder / "test_input.npy", image)
    (folder / "weights.pt").write_bytes(_bytes(traced))
    sizes = {0: "batch", 2: "y", 3: "x"}
    torch.onnx.export(
        network,
        (ready,),
        folder / "weights.onnx",
        input_names=["raw"],
        output_names=["maps"],
        dynamic_axes={"raw": sizes, "maps": sizes},
        dynamo=False,
        opset_version=17,
    )
    picture = np.repeat(np.asarray(sample.image.values)[:256, :256, None], 3, axis=-1)
    (folder / "cover.png").write_bytes(imagecodecs.png_encode(picture.astype(np.uint8)))
    (folder / "README.md").write_text(CARD)
    (folder / "rdf.yaml").write_text(yaml.safe_dump(_rdf(folder, params), sort_keys=False))


def _bytes(module: Any) -> bytes:
    buffer = io.BytesIO()
    torch.jit.save(module, buffer)
    return buffer.getvalue()


def _rdf(folder: Path, params: dict[str, float] | None) -> dict[str, object]:
    def digest(name: str) -> str:
        return hashlib.sha256((folder / name).read_bytes()).hexdigest()

    def size(axis: str) -> dict[str, object]:
        return {"type": "space", "id": axis, "size": {"min": 104, "step": 8}}

    def same(axis: str) -> dict[str, object]:
        return {"type": "space", "id": axis, "size": {"tensor_id": "raw", "axis_id": axis}, "halo": 48}

    percentiles = {"axes": ["y", "x"], "min_percentile": 1.0, "max_percentile": 99.8, "eps": 1e-6}
    float32 = {"id": "ensure_dtype", "kwargs": {"dtype": "float32"}}
    decoder = {"id": "boundary-watershed", "version": 1, "params": params}
    trained = {"dataset": "dsb2018", "version": "1", "splits": ["train"]}
    return {
        "type": "model",
        "format_version": "0.5.10",
        "name": "Tiny nuclei U-Net",
        "description": "A very small U-Net for nuclei in light microscopy: probabilities of foreground and boundary.",
        "authors": [{"name": "the zooscope authors"}],
        "cite": [{"text": "Ronneberger et al., MICCAI 2015", "doi": "10.1007/978-3-319-24574-4_28"}],
        "license": "BSD-3-Clause",
        "tags": ["nuclei", "unet2d", "instance-segmentation", "fluorescence-light-microscopy", "histology", "2d"],
        "covers": ["cover.png"],
        "documentation": "README.md",
        "inputs": [
            {
                "id": "raw",
                "axes": [{"type": "batch"}, {"type": "channel", "channel_names": ["gray"]}, size("y"), size("x")],
                "preprocessing": [float32, {"id": "scale_range", "kwargs": percentiles}, float32],
                "test_tensor": {"source": "test_input.npy", "sha256": digest("test_input.npy")},
            }
        ],
        "outputs": [
            {
                "id": "maps",
                "axes": [
                    {"type": "batch"},
                    {"type": "channel", "channel_names": ["foreground", "boundary"]},
                    *(same("y"), same("x")),
                ],
                "data": {"type": "float32", "range": [0.0, 1.0]},
                "test_tensor": {"source": "test_output.npy", "sha256": digest("test_output.npy")},
            }
        ],
        "weights": {
            "torchscript": {
                "source": "weights.pt",
                "sha256": digest("weights.pt"),
                "pytorch_version": torch.__version__.partition("+")[0],
            },
            "onnx": {
                "source": "weights.onnx",
                "sha256": digest("weights.onnx"),
                "opset_version": 17,
                "parent": "torchscript",
            },
        },
        "config": {"zooscope": {"training_data": [trained], **({"decoder": decoder} if params else {})}},
    }


CARD = """# Tiny nuclei U-Net

Segments nuclei in gray or RGB microscopy (fluorescence, histology, brightfield), with 122,682 parameters.

## Intended use
Nuclei of about 10 to 50 px in 2D images, as a first look, and as what a larger model has to beat.

## Training data
The training split of `dsb2018` (Data Science Bowl 2018 with corrected masks, CC0), split by field.

## Validation
The decoder's parameters are the best ones on the validation split of `dsb2018`; the leaderboard has its test scores.

## Output
Probabilities of foreground and boundary; a seeded watershed makes objects of them (`config.zooscope.decoder`).
"""


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["train", "package"])
    parser.add_argument("state", type=Path)
    parser.add_argument("--steps", type=int, default=6000)
    arguments = parser.parse_args()
    if arguments.what == "train":
        train(arguments.state, arguments.steps)
    else:
        print(package(arguments.state))
