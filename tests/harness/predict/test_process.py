"""The worker process: what happens inside it costs one model its answer, and is written down."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from zooscope.data import Dataset
from zooscope.errors import PackageError, WorkerError
from zooscope.model import load_model
from zooscope.predict import process, wire
from zooscope.predict.process import ModelProcess
from zooscope.sample import Sample

MakePackage = Callable[..., Path]


@pytest.fixture(scope="module")
def sample(demo: Dataset) -> Sample:
    return next(s for s in demo if s.axes == "yx")


@pytest.fixture
def opened() -> Iterator[Callable[..., ModelProcess]]:
    """Opens packages in processes, and sees to it that none is left: no child, no zombie."""
    running: list[ModelProcess] = []

    def open_one(path: Path, *, time_limit_s: float = 60) -> ModelProcess:
        running.append(ModelProcess(path, weights="torchscript", device="cpu", time_limit_s=time_limit_s))
        return running[-1]

    yield open_one
    for one in running:
        one.close()
        assert one._process.returncode is not None
        assert not Path(f"/proc/{one._process.pid}").exists()


def test_maps_are_those_of_the_model_in_this_process(
    opened: Callable[..., ModelProcess], make_package: MakePackage, demo: Dataset, sample: Sample
):
    path = make_package("convs", halo_px=16)
    here, there = load_model(path, device="cpu"), opened(path)
    for image in (sample.image, next(s for s in demo if s.axes == "yxc").image, sample.image.astype(np.uint16) * 200):
        np.testing.assert_allclose(there.maps(image), here.maps(image), atol=1e-6)
    assert there._process.pid != os.getpid()


def test_a_reason_leaves_the_process_alive(
    opened: Callable[..., ModelProcess], make_package: MakePackage, sample: Sample
):
    running = opened(make_package("raises-on-dark", arguments={"darkest": 0.3}))
    gray = np.random.default_rng(0).integers(90, 120, (64, 64)).astype(np.uint8)
    bright = xr.DataArray(gray, dims=("y", "x"))
    dark = bright.copy()
    dark[:8] = 255
    with pytest.raises(PackageError, match=r"its network failed on a tile .*too dark"):
        running.maps(dark)
    assert running.maps(bright).shape == (1, 64, 64)


def test_a_crash_is_named_by_its_signal_with_the_end_of_the_log(
    opened: Callable[..., ModelProcess], make_package: MakePackage, sample: Sample, capfd: pytest.CaptureFixture[str]
):
    running = opened(make_package("segfault"))
    with pytest.raises(WorkerError, match=r"its process died at an image \(signal SIGSEGV\)") as error:
        running.maps(sample.image)
    assert "Segmentation fault" in error.value.log
    assert "zooscope/model.py" in error.value.log, "the log says where"
    assert capfd.readouterr() == ("", ""), "and nothing of it reaches the screen"
    with pytest.raises(WorkerError):
        running.maps(sample.image)


def test_a_process_that_is_killed_is_named_by_its_signal(
    opened: Callable[..., ModelProcess], make_package: MakePackage, sample: Sample
):
    running = opened(make_package("endless"))
    killer = threading.Timer(0.5, os.kill, (running._process.pid, signal.SIGKILL))
    killer.start()
    with pytest.raises(WorkerError, match=r"its process died at an image \(signal SIGKILL\)"):
        running.maps(sample.image)
    killer.join()


def test_a_worker_ends_when_its_parent_was_killed_also_in_the_middle_of_an_image(
    make_package: MakePackage, tmp_path: Path
):
    script = f"""
import numpy as np, xarray as xr
from pathlib import Path
from zooscope.predict.process import ModelProcess
running = ModelProcess(Path({str(make_package("endless"))!r}), weights="torchscript", device="cpu", time_limit_s=60)
print(running._process.pid, flush=True)
running.maps(xr.DataArray(np.ones((64, 64), np.float32), dims=("y", "x")))
"""
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    worker = int(parent.stdout.readline())
    time.sleep(0.5)
    parent.kill()
    parent.wait()
    deadline = time.monotonic() + 20
    while Path(f"/proc/{worker}").exists() and time.monotonic() < deadline:
        time.sleep(0.2)
    assert not Path(f"/proc/{worker}").exists()


def test_python_files_in_the_current_folder_are_never_imported(
    opened: Callable[..., ModelProcess], make_package: MakePackage, sample: Sample, monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
):  # fmt: skip
    (tmp_path / "yaml.py").write_text("raise SystemExit('stray code ran')")
    monkeypatch.chdir(tmp_path)
    assert opened(make_package()).maps(sample.image).shape[0] == 1


def test_a_hang_is_stopped_at_the_time_limit(
    opened: Callable[..., ModelProcess], make_package: MakePackage, sample: Sample
):
    running = opened(make_package("endless"))
    running._limit = 1
    begin = time.monotonic()
    with pytest.raises(WorkerError, match="took longer than 1 s at an image and was stopped"):
        running.maps(sample.image)
    assert time.monotonic() - begin < 5
    running._process.wait(timeout=5)


def test_a_package_that_cannot_run_says_so_and_leaves_no_process(make_package: MakePackage):
    before = children()
    with pytest.raises(PackageError, match="its torchscript weights are damaged"):
        ModelProcess(make_package(files={"weights.pt": b"x"}), weights="torchscript", device="cpu", time_limit_s=60)
    assert children() == before


@pytest.mark.parametrize(
    ("script", "limit", "reason"),
    [
        ("echo no module named zooscope; exit 3", 60, r"its process died at starting \(exit code 3\)"),
        ("sleep 60", 1, "took longer than 1 s at starting and was stopped"),
    ],
)
def test_a_process_that_never_calls_back_is_named(
    make_package: MakePackage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, limit: float, reason: str
):
    interpreter = tmp_path / "python"
    interpreter.write_text(f"#!/bin/sh\n{script.replace('sleep', 'exec sleep')}\n")
    interpreter.chmod(0o755)
    monkeypatch.setattr(process.sys, "executable", str(interpreter))
    before = children()
    with pytest.raises(WorkerError, match=reason) as error:
        ModelProcess(make_package(), weights="torchscript", device="cpu", time_limit_s=limit)
    assert error.value.log == ("no module named zooscope\n" if "exit" in script else "")
    assert children() == before


def children() -> set[str]:
    """Processes of ours that run, or ended and were not waited for."""
    return set(Path(f"/proc/self/task/{os.getpid()}/children").read_text().split())


SCRIPT = """
import sys
import numpy as np
import zooscope
table = zooscope.evaluate(sys.argv[1], sys.argv[2], device="cpu", reports=sys.argv[3])
print(table.loc[0, "model"], len(table), table.reason.isna().all())
"""


def test_a_plain_script_without_a_main_guard_may_evaluate(
    make_package: MakePackage, make_folder: Callable[..., Path], tmp_path: Path
):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    command = [sys.executable, str(script), str(make_package()), str(make_folder("tt")), str(tmp_path / "reports")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=True, cwd=tmp_path)
    assert done.stdout.split()[0] == "sigmoid"
    assert done.stdout.split()[2] == "True"
    assert "Traceback" not in done.stderr


@pytest.fixture
def line() -> Iterator[tuple[Connection, Connection]]:
    ours, theirs = Pipe()
    yield ours, theirs
    ours.close()
    theirs.close()


@pytest.mark.parametrize(
    "array",
    [
        None,
        np.zeros((2, 3, 4), np.float32),
        np.arange(6, dtype=">u2").reshape(2, 3)[:, ::2],
        np.zeros((0, 4)),
        np.float64(3)[None],
    ],
    ids=["none", "float", "big-endian, strided", "empty", "one number"],
)
def test_messages_arrive_as_they_were_sent(line: tuple[Connection, Connection], array: np.ndarray | None):
    wire.send(line[0], {"text": "ünï", "n": 3}, array)
    message, found = wire.receive(line[1])
    assert message == {"text": "ünï", "n": 3}
    if array is None:
        assert found is None
    else:
        assert found is not None
        assert (found.dtype, found.shape) == (array.dtype, array.shape)
        np.testing.assert_array_equal(found, array)


class Evil:
    """What a hostile model would pickle."""

    def __reduce__(self) -> Any:
        return os.mkdir, ("pickle-was-loaded",)


def test_a_pickle_is_no_message(line: tuple[Connection, Connection], tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    line[0].send(Evil())
    with pytest.raises(ValueError):  # noqa: PT011  not JSON, not UTF-8: which of them is Python's affair
        wire.receive(line[1])
    assert not (tmp_path / "pickle-was-loaded").exists()


@pytest.mark.parametrize(
    "head",
    [
        b"[]",
        b"{}",
        b"nonsense",
        b'{"array": {"dtype": "O", "shape": [1]}}',
        b'{"array": {"dtype": "|V8", "shape": [1]}}',
        b'{"array": {"dtype": "<U8", "shape": [1]}}',
        b'{"array": {"dtype": "f4", "shape": [1000000, 1000000]}}',
        b'{"array": {"dtype": "f4", "shape": [-2, 3]}}',
        b'{"array": {"dtype": "f4"}}',
        b'{"array": {"dtype": "nonsense", "shape": [1]}}',
    ],
    ids=lambda head: head.decode(),
)
def test_what_is_no_message_is_an_error(line: tuple[Connection, Connection], head: bytes):
    line[0].send_bytes(head)
    line[0].send_bytes(b"\0" * 8)
    with pytest.raises((ValueError, KeyError, TypeError, AttributeError)):
        wire.receive(line[1])


def test_an_array_larger_than_announced_is_not_taken(line: tuple[Connection, Connection]):
    line[0].send_bytes(b'{"array": {"dtype": "u1", "shape": [4]}}')
    line[0].send_bytes(b"\0" * 100)
    with pytest.raises(OSError):  # noqa: PT011  the connection's own
        wire.receive(line[1])


def test_nothing_in_the_package_unpickles_what_a_worker_sends():
    import ast

    folder = Path(process.__file__).parent
    for path in folder.glob("*.py"):
        called = {node.attr for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Attribute)}
        assert not called & {"recv", "loads"} or (path.name == "wire.py" and "recv" not in called), path
        assert "pickle" not in called


@pytest.mark.parametrize(
    "wrong", [np.zeros((3, 3), np.float32), np.zeros((1, 3, 3)), None], ids=["2D", "double", "none"]
)
def test_an_answer_of_another_dtype_or_shape_is_no_map(
    line: tuple[Connection, Connection], sample: Sample, wrong: np.ndarray | None
):
    running = object.__new__(ModelProcess)
    running._connection, running._limit = line[0], 5
    wire.send(line[1], {"maps": True}, wrong)
    with pytest.raises(WorkerError, match="answered with something that is no map"):
        running.maps(sample.image)
