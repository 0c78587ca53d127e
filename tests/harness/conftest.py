"""Small BioImage.IO packages made on the spot: networks in TorchScript that answer, lie, hang or crash; a web
server.
"""

import hashlib
import io
import threading
import warnings
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
import torch
import yaml
from torch import Tensor, nn

from zooscope.data import Dataset
from zooscope.imagefile import encode_tiff, smallest_labels

torch.set_num_threads(1)


class Sigmoid(nn.Module):
    """Probability of foreground, (b, 1, y, x): a steep sigmoid at 0.3 of the normalised image."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.sigmoid(20 * (x - 0.3))


class Twice(nn.Module):
    """Foreground and boundary, (b, 2, y, x): the boundary lies where the image is half bright."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([torch.sigmoid(20 * (x - 0.3)), torch.exp(-(((x - 0.3) * 20) ** 2))], 1)


class Grid2(nn.Module):
    """Foreground on a grid of 2: (b, 1, y / 2, x / 2)."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.sigmoid(20 * (nn.functional.avg_pool2d(x, 2) - 0.3))


class ChannelsLast(nn.Module):
    """Foreground of an image (b, y, x, 1), as channels-last packages give it."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.sigmoid(20 * (x - 0.3))


class NotANumber(nn.Module):
    """NaN in one pixel."""

    def forward(self, x: Tensor) -> Tensor:
        out = torch.sigmoid(x)
        out[0, 0, 3, 4] = float("nan")
        return out


class Cropped(nn.Module):
    """Foreground without a border of 8 px, as valid convolutions give it."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.sigmoid(x)[:, :, 8:-8, 8:-8]


class Finer(nn.Module):
    """Foreground at twice the image's resolution."""

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.interpolate(torch.sigmoid(20 * (x - 0.3)), scale_factor=2.0, mode="nearest")


class Smooth(nn.Module):
    """The image averaged over 3x3 px: what restores."""

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)


class SmoothVolume(nn.Module):
    """A volume (b, 1, z, y, x) averaged over 3x5x5 px, and its probability of foreground."""

    def forward(self, x: Tensor) -> Tensor:
        near = nn.functional.avg_pool3d(x, (3, 5, 5), stride=1, padding=(1, 2, 2), count_include_pad=False)
        return torch.sigmoid(20 * (near - 0.3))


class CoarseVolume(nn.Module):
    """Foreground at half the resolution along y and x, as networks for anisotropic volumes give it."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.sigmoid(20 * (nn.functional.avg_pool3d(x, (1, 2, 2)) - 0.3))


class Blobs(nn.Module):
    """What is brighter than its surroundings, (b, 1, y, x), and of about 20 px: a band-pass."""

    def forward(self, x: Tensor) -> Tensor:
        near = nn.functional.avg_pool2d(x, 7, stride=1, padding=3, count_include_pad=False)
        far = nn.functional.avg_pool2d(x, 41, stride=1, padding=20, count_include_pad=False)
        return torch.sigmoid(20 * (near - far - 0.1)) * torch.sigmoid(20 * (x - 0.2))


class Scalar(nn.Module):
    """One number an image."""

    def forward(self, x: Tensor) -> Tensor:
        return x.mean(dim=(1, 2, 3))


class Endless(nn.Module):
    """Never answers."""

    def forward(self, x: Tensor) -> Tensor:
        count = 0
        while count >= 0:
            x = torch.sin(x)
            count = (count + 1) % 1000
        return x


class Segfault(nn.Module):
    """Reads far beyond its memory: the process dies of it."""

    def forward(self, x: Tensor) -> Tensor:
        beyond = torch.tensor([1 << 40])
        return x + torch.segment_reduce(x.reshape(-1), "sum", lengths=beyond, unsafe=True)


class Hungry(nn.Module):
    """Takes memory without end."""

    def forward(self, x: Tensor) -> Tensor:
        while x.numel() > 0:
            x = torch.cat([x, x])
        return x


class Talkative(nn.Module):
    """Prints without end."""

    def forward(self, x: Tensor) -> Tensor:
        while x.numel() > 0:
            print("the network has much to say, and says it again and again")
        return x


class WritesFile(nn.Module):
    """Writes a file."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self.path = path

    def forward(self, x: Tensor) -> Tensor:
        torch.save(x, self.path)
        return torch.sigmoid(x)


class MapsFile(nn.Module):
    """Adds what a file holds, which it makes where there is none."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self.path = path

    def forward(self, x: Tensor) -> Tensor:
        return x + torch.from_file(self.path, True, 1)


class Raises(nn.Module):
    """Fails with an error of its own."""

    def forward(self, x: Tensor) -> Tensor:
        if x.numel() > 0:
            raise ValueError("the network is out of order")
        return x


class RaisesOnDark(nn.Module):
    """Works, but not on an image whose mean lies below the given value."""

    def __init__(self, darkest: float) -> None:
        super().__init__()
        self.darkest = darkest

    def forward(self, x: Tensor) -> Tensor:
        if float(x.mean()) < self.darkest:
            raise ValueError("too dark")
        return torch.sigmoid(20 * (x - 0.3))


class Convs(nn.Module):
    """Pooling, convolutions and a skip: receptive radius 4 * 2 + 2 + 1 px (rounded up 16), random but fixed weights."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.first, self.low = nn.Conv2d(1, 4, 3, padding=1), nn.Conv2d(4, 4, 5, padding=2)
        self.last = nn.Conv2d(8, 1, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        fine = torch.relu(self.first(x))
        coarse = nn.functional.interpolate(
            self.low(nn.functional.max_pool2d(fine, 2)), scale_factor=2.0, mode="nearest"
        )
        return torch.sigmoid(20 * (x - 0.3) + self.last(torch.cat([fine, coarse], 1)))


NETWORKS: dict[str, Callable[..., nn.Module]] = {
    "identity": nn.Identity,
    "sigmoid": Sigmoid,
    "twice": Twice,
    "grid2": Grid2,
    "channels-last": ChannelsLast,
    "nan": NotANumber,
    "cropped": Cropped,
    "smooth": Smooth,
    "smooth-volume": SmoothVolume,
    "coarse-volume": CoarseVolume,
    "finer": Finer,
    "blobs": Blobs,
    "scalar": Scalar,
    "endless": Endless,
    "segfault": Segfault,
    "hungry": Hungry,
    "talkative": Talkative,
    "writes-file": WritesFile,
    "maps-file": MapsFile,
    "raises": Raises,
    "raises-on-dark": RaisesOnDark,
    "convs": Convs,
}


@pytest.fixture(scope="session")
def torchscript() -> Callable[..., bytes]:
    """TorchScript bytes of one of the networks above."""

    def weights(network: str, **arguments: Any) -> bytes:
        buffer = io.BytesIO()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.jit.save(torch.jit.script(NETWORKS[network](**arguments).eval()), buffer)
        return buffer.getvalue()

    return weights


@pytest.fixture(scope="session")
def onnx_sigmoid() -> bytes:
    """The ONNX twin of `sigmoid`, made by hand and not by torch's exporter."""
    from onnx import TensorProto, helper

    nodes = [
        helper.make_node("Constant", [], ["shift"], value_float=0.3),
        helper.make_node("Constant", [], ["steep"], value_float=20.0),
        helper.make_node("Sub", ["raw", "shift"], ["a"]),
        helper.make_node("Mul", ["a", "steep"], ["b"]),
        helper.make_node("Sigmoid", ["b"], ["maps"]),
    ]
    shape = [1, 1, "y", "x"]
    graph = helper.make_graph(
        nodes,
        "sigmoid",
        [helper.make_tensor_value_info("raw", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("maps", TensorProto.FLOAT, shape)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    return model.SerializeToString()


@pytest.fixture
def make_package(tmp_path: Path, torchscript: Callable[..., bytes]) -> Callable[..., Path]:
    """Makes a package, by default format 0.5.10 in a zip with the network `sigmoid` in TorchScript.

    `edit` changes the description before it is written; `files` adds members, or (None) takes them away.
    """

    def make(
        network: str = "sigmoid",
        *,
        at: str | None = None,
        folder: bool = False,
        spec: str = "0.5.10",
        arguments: dict[str, Any] | None = None,
        edit: Callable[[dict[str, Any]], object] | None = None,
        files: dict[str, bytes | None] | None = None,
        date: tuple[int, int, int, int, int, int] = (1980, 1, 1, 0, 0, 0),
        **rdf: Any,
    ) -> Path:
        weights = torchscript(network, **(arguments or {}))
        inside: dict[str, bytes | None] = {
            "weights.pt": weights,
            "test_input.npy": _npy((1, 64, 64, 1) if network == "channels-last" else (1, 1, 64, 64)),
            "test_output.npy": _npy((1, 1, 64, 64)),
            "README.md": b"# Tiny\n\n## Validation\nA test made it.\n",
            "cover.png": imagecodecs.png_encode(np.zeros((64, 64, 3), np.uint8)),
        }
        entry = {"source": "weights.pt", "sha256": hashlib.sha256(weights).hexdigest(), "pytorch_version": "2.5.1"}
        channels_last = network == "channels-last"
        about = _rdf_05(channels_last=channels_last, **rdf) if spec.startswith("0.5") else _rdf_04(**rdf)
        about |= {"format_version": spec, "weights": {"torchscript": entry}}
        if edit:
            edit(about)
        inside["rdf.yaml"] = yaml.safe_dump(about, sort_keys=False).encode()
        inside |= files or {}
        path = tmp_path / (at or (network if folder else f"{network}.zip"))
        path.parent.mkdir(parents=True, exist_ok=True)
        if folder:
            for name, content in inside.items():
                if content is not None:
                    (path / name).parent.mkdir(parents=True, exist_ok=True)
                    (path / name).write_bytes(content)
            return path
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in inside.items():
                if content is not None:
                    archive.writestr(zipfile.ZipInfo(name, date), content)
        return path

    return make


@pytest.fixture
def make_folder(tmp_path: Path, demo: Dataset) -> Callable[..., Path]:
    """Makes a user's folder: left upper corners of gray demo images, named a, b, c ...; `splits` names their splits."""

    def make(splits: str | None = "vtt", *, count: int = 3, at: str = "mine", edge: int = 128) -> Path:
        gray = [sample for sample in demo if sample.axes == "yx"]
        rows = ["id,group,stratum,split"]
        letters = "abcdefghij"[: len(splits) if splits else count]
        for kind in ("images", "masks"):
            (tmp_path / at / kind).mkdir(parents=True)
        for letter, sample in zip(letters, gray, strict=False):
            image, target = sample.image.values[:edge, :edge], sample.target[:edge, :edge]
            (tmp_path / at / "images" / f"{letter}.tif").write_bytes(encode_tiff(image))
            (tmp_path / at / "masks" / f"{letter}.tif").write_bytes(encode_tiff(smallest_labels(target)))
            names = {"v": "validation", "t": "test", "r": "train"}
            rows.append(f"{letter},{letter},all,{names[splits[len(rows) - 1]] if splits else 'test'}")
        if splits:
            (tmp_path / at / "groups.csv").write_text("\n".join(rows) + "\n")
        return tmp_path / at

    return make


PLANTED = """
import os, signal, subprocess, sys, time
import numpy as np
from multiprocessing.connection import Client
from zooscope.predict.wire import receive, send

line = Client(("localhost", int(sys.argv[1])), authkey=bytes.fromhex(os.environ["ZOOSCOPE_WORKER_KEY"]))
receive(line)
send(line, {"ready": True})
"""


@pytest.fixture
def planted_worker(tmp_path: Path) -> Callable[[str], tuple[str, ...]]:
    """What stands in `process.WORKER` for a worker that is no model's but a test's.

    It opens nothing, is ready at once, and runs the given code in place of waiting for images.
    """

    def plant(code: str) -> tuple[str, ...]:
        script = tmp_path / f"planted-{hashlib.sha256(code.encode()).hexdigest()[:8]}.py"
        script.write_text(PLANTED + code)
        return ("-P", str(script))

    return plant


@pytest.fixture
def fresh_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache and no mirror, for one test."""
    monkeypatch.setenv("ZOOSCOPE_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("ZOOSCOPE_MIRROR", raising=False)
    return tmp_path / "cache"


@dataclass
class Server:
    """What a web server has: bytes, a status, or a function that answers; and what it was asked for."""

    address: str
    files: dict[str, bytes | int | Callable[[BaseHTTPRequestHandler], None]] = field(default_factory=dict)
    requested: list[str] = field(default_factory=list)

    def url(self, path: str) -> str:
        """The URL of a path."""
        return self.address + path


@pytest.fixture
def server() -> Iterator[Server]:
    """A web server on this machine, for one test."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            running.requested.append(self.path)
            found = running.files.get(self.path, 404)
            if callable(found):
                found(self)
            elif isinstance(found, int):
                self.send_error(found)
            else:
                self.send_response(200)
                self.send_header("Content-Length", str(len(found)))
                self.end_headers()
                self.wfile.write(found)

        def log_message(self, *_: object) -> None: ...

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    running = Server(f"http://127.0.0.1:{http.server_port}")
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield running
    http.shutdown()
    http.server_close()


def _npy(shape: tuple[int, ...]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.random.default_rng(0).random(shape, np.float32))
    return buffer.getvalue()


def _rdf_05(
    *,
    channels_last: bool = False,
    sizes: Any = None,
    halo_px: int = 0,
    scale: float = 1.0,
    channels_in: int = 1,
    channels_out: int = 1,
    preprocessing: list[dict[str, Any]] | None = None,
    postprocessing: list[dict[str, Any]] | None = None,
    **others: Any,
) -> dict[str, Any]:
    def ordered(channels: int, y: object, x: object) -> list[object]:
        channel = {"type": "channel", "channel_names": [f"c{n}" for n in range(channels)]}
        return [{"type": "batch"}, y, x, channel] if channels_last else [{"type": "batch"}, channel, y, x]

    size = sizes or {"min": 64, "step": 8}
    seen = [{"type": "space", "id": axis, "size": size} for axis in "yx"]
    given = [
        {"type": "space", "id": axis, "size": {"tensor_id": "raw", "axis_id": axis}, "scale": scale, "halo": halo_px}
        for axis in "yx"
    ]
    if not halo_px:
        for axis in given:
            del axis["halo"]
    return (
        _common()
        | {
            "inputs": [
                {
                    "id": "raw",
                    "axes": ordered(channels_in, *seen),
                    "test_tensor": {"source": "test_input.npy"},
                    "preprocessing": PREPROCESSING if preprocessing is None else preprocessing,
                }
            ],
            "outputs": [
                {
                    "id": "maps",
                    "axes": ordered(channels_out, *given),
                    "test_tensor": {"source": "test_output.npy"},
                    "postprocessing": postprocessing or [],
                }
            ],
        }
        | others
    )


def _rdf_04(*, halo_px: int = 0, scale: float = 1.0, **others: Any) -> dict[str, Any]:
    percentiles = {"mode": "per_sample", "axes": "yx", "min_percentile": 1.0, "max_percentile": 99.8, "eps": 1e-6}
    reference = {"reference_tensor": "raw", "scale": [1.0, 1.0, scale, scale], "offset": [0.0, 0.0, 0.0, 0.0]}
    tensors = {
        "inputs": [
            {
                "name": "raw",
                "axes": "bcyx",
                "data_type": "float32",
                "shape": {"min": [1, 1, 64, 64], "step": [0, 0, 8, 8]},
                "preprocessing": [{"name": "scale_range", "kwargs": percentiles}],
            }
        ],
        "outputs": [
            {
                "name": "maps",
                "axes": "bcyx",
                "data_type": "float32",
                "shape": reference,
                "halo": [0, 0, halo_px, halo_px],
            }
        ],
        "test_inputs": ["test_input.npy"],
        "test_outputs": ["test_output.npy"],
        "timestamp": "2026-01-01T00:00:00+00:00",
    }
    return _common() | tensors | others


def _common() -> dict[str, Any]:
    return {
        "type": "model",
        "name": "Tiny model",
        "description": "Made by a test.",
        "authors": [{"name": "a test"}],
        "cite": [{"text": "nobody", "url": "https://example.org/"}],
        "license": "MIT",
        "documentation": "README.md",
        "covers": ["cover.png"],
        "tags": ["nuclei"],
    }


PREPROCESSING: list[dict[str, Any]] = [
    {"id": "ensure_dtype", "kwargs": {"dtype": "float32"}},
    {
        "id": "scale_range",
        "kwargs": {"axes": ["y", "x"], "min_percentile": 1.0, "max_percentile": 99.8, "eps": 1e-6},
    },
    {"id": "ensure_dtype", "kwargs": {"dtype": "float32"}},
]
