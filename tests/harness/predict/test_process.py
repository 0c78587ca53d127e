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
from zooscope.predict import guard, process, tail, wire, worker
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

    def open_one(path: Path, *, time_limit_s: float = 60, memory_limit_gib: float | None = None) -> ModelProcess:
        limits = {"time_limit_s": time_limit_s, "memory_limit_gib": memory_limit_gib}
        running.append(ModelProcess(path, weights="torchscript", device="cpu", **limits))
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
        b'{"array": {"dtype": "f4", "shape": [1e999]}}',
        b'"text"',
        b"[" * 100_000,
    ],
    ids=lambda head: head[:50].decode(),
)
def test_what_is_no_message_is_an_error(line: tuple[Connection, Connection], head: bytes):
    line[0].send_bytes(head)
    line[0].send_bytes(b"\0" * 8)
    with pytest.raises(ValueError):  # noqa: PT011  which message is Python's affair
        wire.receive(line[1])


def test_what_comes_beyond_an_announced_array_is_no_message(line: tuple[Connection, Connection]):
    line[0].send_bytes(b'{"array": {"dtype": "u1", "shape": [4]}}')
    os.write(line[0].fileno(), b"\0" * 100)
    assert wire.receive(line[1])[1].shape == (4,)
    with pytest.raises(ValueError):  # noqa: PT011  of JSON
        wire.receive(line[1])


def test_an_array_that_breaks_off_is_the_end(line: tuple[Connection, Connection]):
    line[0].send_bytes(b'{"array": {"dtype": "u1", "shape": [4]}}')
    os.write(line[0].fileno(), b"\0" * 2)
    line[0].close()
    with pytest.raises(EOFError):
        wire.receive(line[1])


def test_nothing_in_the_package_unpickles_what_a_worker_sends():
    import ast

    folder = Path(process.__file__).parent
    for path in folder.glob("*.py"):
        nodes = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Attribute)]
        called = {node.attr for node in nodes if not (isinstance(node.value, ast.Name) and node.value.id == "json")}
        assert not called & {"recv", "loads"}, path
        assert "pickle" not in called


def test_an_array_may_not_be_larger_than_told(line: tuple[Connection, Connection]):
    wire.send(line[0], {}, np.zeros(100, np.uint8))
    with pytest.raises(ValueError, match=r"an array \(100,\) of uint8"):
        wire.receive(line[1], max_bytes=99)


EAT = "kept = []\nwhile len(kept) < 40: kept.append(b'x' * 2**24); time.sleep(0.01)\ntime.sleep(20)"
"""No more than 640 MiB, and it ends: what fails here must not take the machine with it."""

EATER = f"subprocess.run([sys.executable, '-c', {'import time' + chr(10) + EAT!r}])"
SLEEPER = "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'], start_new_session=True)\n"


@pytest.fixture
def planted(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    opened: Callable[..., ModelProcess],
    planted_worker: Callable[[str], tuple[str, ...]],
) -> Callable[..., ModelProcess]:
    """Opens a process that runs the given code once it is ready, in place of a model's."""

    def plant(code: str, **limits: float) -> ModelProcess:
        monkeypatch.setattr(process, "WORKER", planted_worker(code))
        return opened(tmp_path, **limits)

    return plant


def failure(running: ModelProcess, image: np.ndarray | None = None) -> WorkerError:
    with pytest.raises(WorkerError) as error:
        running.maps(xr.DataArray(np.ones((64, 48), np.float32) if image is None else image, dims=("y", "x")))
    assert "\n" not in str(error.value)
    return error.value


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("os._exit(0)", "its process died at an image (exit code 0)"),
        ("os.abort()", "its process died at an image (signal SIGABRT)"),
        ("signal.signal(signal.SIGTERM, signal.SIG_IGN)\nwhile True: pass", "took longer than 1 s at an image"),
        ("receive(line)\nline.send_bytes(b'x')", "sent something that is no answer at an image (Expecting value"),
        ("receive(line)\nline.send({'maps': 1})", "sent something that is no answer at an image ("),
        ("receive(line)\nline._send(b'\\0\\0')\ntime.sleep(60)", "took longer than 1 s at an image"),
        (EAT, "took more than 0.2 GiB of memory at an image and was stopped; --memory-limit allows more"),
        (EATER, "took more than 0.2 GiB of memory at an image and was stopped; --memory-limit allows more"),
        (SLEEPER + "time.sleep(60)", "took longer than 1 s at an image"),
    ],
    ids=["exit", "abort", "hang", "no JSON", "pickle", "half a message", "memory", "a child's memory", "a child"],
)
def test_a_worker_that_fails_is_named_and_all_that_it_started_ends(
    planted: Callable[..., ModelProcess], monkeypatch: pytest.MonkeyPatch, code: str, reason: str
):
    monkeypatch.setattr(guard, "KIN_POLLS", 2)
    running = planted(code, time_limit_s=1, memory_limit_gib=0.2)
    assert str(failure(running)).startswith(reason)
    kin = [one for pid, one in running._guard._kin.items() if pid != running._process.pid]
    assert len(kin) == ("subprocess" in code)
    for one in kin:
        assert gone(one.pid)


def gone(pid: int) -> bool:
    deadline = time.monotonic() + 10
    while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    return not Path(f"/proc/{pid}").exists()


def test_a_worker_that_takes_no_image_is_stopped_at_the_time_limit(planted: Callable[..., ModelProcess]):
    running = planted("time.sleep(60)", time_limit_s=1)
    more_than_any_buffer = np.zeros((4096, 4096), np.float32)
    assert "took longer than 1 s at an image" in str(failure(running, more_than_any_buffer))


def test_of_endless_output_the_end_is_kept_in_memory_and_nothing_on_disk(
    planted: Callable[..., ModelProcess], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("tempfile.TemporaryFile", None)
    running = planted("n = 0\nwhile True: n += 1; print(n, 'line' * 20, '\\x1b[31m', flush=True)", time_limit_s=1)
    log = failure(running).log
    assert 3000 < len(log) <= tail.KEPT_BYTES
    assert int(log.splitlines()[-2].split()[0]) > 1000, "and it is the end"
    assert "\x1b" not in log, "nothing that a terminal would obey"


def test_a_reason_is_one_line_that_a_terminal_can_show(planted: Callable[..., ModelProcess]):
    running = planted("receive(line)\nsend(line, {'reason': 'a\\n\\x1b[2Jb' + 'c' * 9999})")
    with pytest.raises(PackageError) as error:
        running.maps(xr.DataArray(np.ones((8, 8), np.float32), dims=("y", "x")))
    assert str(error.value).startswith("a [2Jbccc")
    assert len(str(error.value)) <= process.REASON_LENGTH


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (None, "no array"),
        (np.zeros((3, 3), np.float32), r"an array (3, 3) of float32; maps (c, y, x) of float32 are expected"),
        (np.zeros((1, 64, 48)), "an array (1, 64, 48) of float64"),
        (np.zeros((1, 64, 48), np.int32), "an array (1, 64, 48) of int32"),
        (np.zeros((0, 64, 48), np.float32), "maps (0, 64, 48) for an image (64, 48)"),
        (np.zeros((1, 48, 64), np.float32), "maps (1, 48, 64) for an image (64, 48)"),
        (np.zeros((1, 56, 40), np.float32), "maps (1, 56, 40) for an image (64, 48)"),
        (np.full((1, 64, 48), np.nan, np.float32), "NaN or infinity in its maps"),
        (np.full((1, 64, 48), -np.inf, np.float32), "NaN or infinity in its maps"),
        (np.zeros((2, 64, 48), np.float32), ""),
        (np.zeros((33, 32, 24), ">f4"), ""),
        (np.zeros((1, 13, 10), np.float32), ""),
        (np.zeros((1, 128, 96), np.float32), ""),
    ],
)
def test_what_may_be_maps_is_checked_on_this_side(answer: np.ndarray | None, why: str):
    found = process._why_no_map(answer, (64, 48))
    assert found.startswith(why)
    assert bool(found) == bool(why)


def test_an_answer_that_is_no_map_ends_the_worker(planted: Callable[..., ModelProcess]):
    running = planted("receive(line)\nsend(line, {}, np.zeros((1, 4, 4)))\ntime.sleep(60)")
    assert str(failure(running)).startswith("sent something that is no answer at an image (an array (1, 4, 4) of ")
    assert running._process.wait(timeout=5) == -signal.SIGKILL


@pytest.mark.parametrize(
    ("error", "reason", "crashed"),
    [
        (MemoryError(), "memory ran out (no more is said)", True),
        (np._core._exceptions._ArrayMemoryError((2**40,), np.dtype("u1")), "memory ran out (Unable to allocate", True),
        (WorkerError("its device was lost"), "its device was lost", True),
        (PackageError("its network is out of order"), "its network is out of order", False),
        (ZeroDivisionError("by zero"), "ZeroDivisionError: by zero", False),
    ],
)
def test_a_worker_says_what_failed_and_whether_it_was_the_package(
    line: tuple[Connection, Connection], monkeypatch: pytest.MonkeyPatch, error: Exception, reason: str, crashed: bool
):
    class Failing:
        def __init__(self, *_: object, **__: object) -> None: ...

        together = 1

        def maps_together(self, images: object) -> None:
            raise error

    monkeypatch.setattr(worker, "Model", Failing)
    monkeypatch.setattr(worker, "open_package", lambda path: path)
    serving = threading.Thread(target=worker.serve, args=(line[1],))
    serving.start()
    order = {"weights": "onnx", "device": "cpu", "padding": "bare", "precision": "float32", "trust": False}
    wire.send(line[0], {"path": "a.zip", **order})
    assert wire.receive(line[0])[0] == {"ready": True}
    for _ in range(2):
        wire.send(line[0], {"axes": "yx"}, np.zeros((4, 4), np.uint8))
        message, _ = wire.receive(line[0])
        assert message["reason"].startswith(reason)
        assert message["crashed"] is crashed
    line[0].close()
    serving.join(timeout=10)
    assert not serving.is_alive()


def test_two_workers_give_the_maps_of_all_images_in_order(make_package: MakePackage, demo: Dataset):
    package, images = make_package("convs"), [sample.image for sample in demo if sample.axes == "yx"][:5]
    here = load_model(package, device="cpu")
    with process.open_model(
        package, weights="torchscript", device="cpu,cpu", time_limit_s=60, memory_limit_gib=None
    ) as workers:
        found = list(workers.maps_of(images))
        assert len(found) == 5
        for image, (maps, seconds) in zip(images, found, strict=True):
            np.testing.assert_allclose(maps, here.maps(image), atol=1e-6)
            assert 0 < seconds < 60
        assert len({one._process.pid for one in workers._all}) == 2


def test_whoever_stops_asking_leaves_no_answer_under_way(
    opened: Callable[..., ModelProcess], make_package: MakePackage
):
    running = opened(make_package())
    images = [xr.DataArray(np.full((64, 64), value, np.float32), dims=("y", "x")) for value in range(4)]
    answers = running.maps_of(images)
    next(answers)
    answers.close()
    assert running._process.poll() is not None


def test_devices_are_named_with_commas_and_are_of_one_kind():
    from zooscope.errors import UsageError
    from zooscope.predict.device import device_class, resolve_devices

    assert resolve_devices("cpu, cpu") == "cpu,cpu"
    assert device_class("cpu,cpu") == "cpu"
    assert device_class("cuda:0,cuda:1") == "cuda"
    with pytest.raises(UsageError, match="device 'tpu' is not one of"):
        resolve_devices("cpu,tpu")


def test_an_image_that_fails_in_a_batch_fails_alone(
    line: tuple[Connection, Connection], monkeypatch: pytest.MonkeyPatch
):
    class Picky:
        together, tile_px = 3, None

        def __init__(self, *_: object, **__: object) -> None: ...

        def maps_together(self, images: list[xr.DataArray]) -> list[np.ndarray]:
            return [self.maps(image) for image in images]

        def maps(self, image: xr.DataArray) -> np.ndarray:
            if image.values.max() == 2:
                raise PackageError("it does not like a 2")
            return image.values[None].astype(np.float32)

    monkeypatch.setattr(worker, "Model", Picky)
    monkeypatch.setattr(worker, "open_package", lambda path: path)
    serving = threading.Thread(target=worker.serve, args=(line[1],))
    serving.start()
    order = {"weights": "onnx", "device": "cuda:0", "padding": "bare", "precision": "float32", "trust": False}
    wire.send(line[0], {"path": "a.zip", **order})
    assert wire.receive(line[0])[0] == {"ready": True}
    for value in (1, 2, 3):
        wire.send(line[0], {"axes": "yx"}, np.full((4, 4), value, np.uint8))
    answers = [wire.receive(line[0]) for _ in range(3)]
    assert [answer.get("reason") for answer, _ in answers] == [None, "it does not like a 2", None]
    assert [None if maps is None else maps.max() for _, maps in answers] == [1, None, 3]
    line[0].close()
    serving.join(timeout=10)
    assert not serving.is_alive()
