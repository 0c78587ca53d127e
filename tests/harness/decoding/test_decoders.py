"""Decoders beside the network: the same answers, in bounded number, and what fails there is a named error."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from zooscope.data import Dataset
from zooscope.decode.named import NamedDecode
from zooscope.decoding import Decoded, Decoders, pool
from zooscope.decoding.process import DecoderProcess
from zooscope.decoding.scores import objective
from zooscope.errors import PackageError, WorkerError
from zooscope.sample import Sample

OTSU = NamedDecode("baseline:otsu-watershed@1")
COMPONENTS = NamedDecode("threshold-components@1")
HANGING = ["-P", "-c", "import time; time.sleep(60)"]
CRASHING = ["-P", "-c", "import os, sys; print('so it ends', file=sys.stderr, flush=True); os.abort()"]


@pytest.fixture
def samples(demo: Dataset) -> list[Sample]:
    return [sample for sample in demo if sample.axes == "yx"]


@pytest.fixture
def no_idle() -> Iterator[None]:
    """No process from before, and none for the tests after."""
    pool._close_idle()
    yield
    pool._close_idle()


def maps_of(sample: Sample) -> np.ndarray:
    values = sample.image.values.astype(np.float32)
    return ((values - values.min()) / np.ptp(values))[None]


@pytest.mark.parametrize(
    ("decode", "params"), [(OTSU, {}), (COMPONENTS, {"threshold": 0.3, "min_size_px": 16})], ids=["baseline", "decoder"]
)
def test_labels_and_objects_are_those_of_the_decoder_here(
    samples: list[Sample], decode: NamedDecode, params: dict[str, Any]
):
    kept: dict[str, Decoded] = {}
    with Decoders(decode, processes=2) as decoders:
        for sample in samples:
            decoders.decode(
                sample.id,
                maps_of(sample),
                sample.target.shape,
                params,
                keep=lambda d, id=sample.id: kept.update({id: d}),
            )
    assert set(kept) == {sample.id for sample in samples}
    for sample in samples:
        labels, objects = decode(maps_of(sample), sample.target.shape, **params)
        found = kept[sample.id]
        assert found.found.dtype == np.int32
        np.testing.assert_array_equal(found.found, labels)
        assert list(found.objects) == list(objects)
        for name, values in objects.items():
            np.testing.assert_array_equal(found.objects[name], values)
        assert 0 < found.seconds < 60


def test_scores_are_those_of_tunings_objective_here(samples: list[Sample]):
    tried = [{"threshold": 0.2}, {"threshold": 0.4, "min_size_px": 20}]
    kept: list[list[float]] = []
    with Decoders(COMPONENTS) as decoders:
        decoders.score("a", maps_of(samples[0]), samples[0].target, tried, keep=kept.append)
    assert kept == [[objective(COMPONENTS, maps_of(samples[0]), samples[0].target, params) for params in tried]]
    assert kept[0][0] != kept[0][1]


def test_memory_is_bounded_by_how_many_images_are_under_way(samples: list[Sample]):
    begun, go = [], threading.Event()

    def keep(_: Decoded) -> None:
        go.wait(60)

    def give() -> None:
        with Decoders(OTSU, processes=2) as decoders:
            for count in range(6):
                begun.append(count)
                decoders.decode(str(count), maps_of(samples[0]), (256, 256), {}, keep=keep)

    giving = threading.Thread(target=give)
    giving.start()
    giving.join(timeout=3)
    under_way = len(begun)
    go.set()
    giving.join()
    assert under_way == 3, "two in processes, one that waits"
    assert begun == list(range(6))


def test_maps_that_do_not_fit_are_the_packages_fault_and_the_image_is_named(samples: list[Sample]):
    decoders = Decoders(NamedDecode("boundary-watershed@1"), processes=2)
    two = np.concatenate([maps_of(samples[0])] * 2)
    kept: list[Decoded] = []

    def decode_both() -> None:
        with decoders:
            decoders.decode("fine", two, (256, 256), {}, keep=kept.append)
            decoders.decode("wrong", maps_of(samples[0]), (256, 256), {}, keep=kept.append)

    with pytest.raises(PackageError, match=r"decoder boundary-watershed failed on its maps \(1, 256, 256\)"):
        decode_both()
    assert decoders.failed == "wrong"
    assert len(kept) == 1


@pytest.mark.usefixtures("no_idle")
def test_a_decoder_that_hangs_is_stopped_at_the_time_limit(samples: list[Sample], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("zooscope.decoding.process.WORKER", HANGING)
    decoders, begin = Decoders(OTSU, time_limit_s=0.5), time.monotonic()
    with pytest.raises(WorkerError, match=r"its decoder's process took longer than 0\.5 s and was stopped"), decoders:
        decoders.decode("slow", maps_of(samples[0]), (256, 256), {}, keep=pytest.fail)
    assert decoders.failed == "slow"
    assert time.monotonic() - begin < 30
    assert not pool._IDLE


@pytest.mark.usefixtures("no_idle")
def test_a_decoder_that_crashes_is_named_with_the_end_of_its_output(
    samples: list[Sample], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("zooscope.decoding.process.WORKER", CRASHING)
    with (
        pytest.raises(WorkerError, match=r"its decoder's process died \(signal SIGABRT\)") as error,
        Decoders(OTSU) as d,
    ):
        d.decode("a", maps_of(samples[0]), (256, 256), {}, keep=pytest.fail)
    assert "so it ends" in error.value.log


@pytest.mark.usefixtures("no_idle")
def test_a_process_is_used_again_and_one_that_was_killed_is_replaced(samples: list[Sample]):
    kept: list[Decoded] = []

    def once() -> int:
        with Decoders(OTSU, processes=1) as decoders:
            decoders.decode("a", maps_of(samples[0]), (256, 256), {}, keep=kept.append)
        return pool._IDLE[0]._process.pid

    first = once()
    assert once() == first
    os.kill(first, signal.SIGKILL)
    pool._IDLE[0]._process.wait()
    assert once() != first
    assert len(kept) == 3


def test_what_cannot_be_kept_is_no_fault_of_the_model(samples: list[Sample]):
    def keep(_: Decoded) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"), Decoders(OTSU) as decoders:
        decoders.decode("a", maps_of(samples[0]), (256, 256), {}, keep=keep)


def test_a_decoder_without_a_name_runs_here(samples: list[Sample]):
    seen: list[int] = []

    def decode(maps: np.ndarray, shape: tuple[int, int]) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        seen.append(os.getpid())
        return np.zeros(shape, np.int32), {}

    with Decoders(decode) as decoders:
        decoders.decode("a", maps_of(samples[0]), (256, 256), {}, keep=lambda _: None)
    assert seen == [os.getpid()]


def test_a_process_ends_with_the_one_that_asked(tmp_path: Path):
    script = (
        "import os, sys; from zooscope.decoding.process import DecoderProcess\n"
        "one = DecoderProcess(threads=1); print(one._process.pid, flush=True); os.kill(os.getpid(), 9)"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    pid = int(run.stdout)
    deadline = time.monotonic() + 30
    while Path(f"/proc/{pid}/cmdline").exists() and b"decoding" in Path(f"/proc/{pid}/cmdline").read_bytes():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_columns_of_text_come_back_as_they_were(monkeypatch: pytest.MonkeyPatch):
    from zooscope.decoding import worker

    monkeypatch.setattr(
        worker.NamedDecode,
        "__call__",
        lambda *_, **__: (np.ones((2, 2), np.int32), {"class": np.array(["nucleus"]), "score": np.array([0.5])}),
    )
    answer, arrays = worker._answer({"decoder": "x@1", "shape": [2, 2], "params": {}}, np.zeros((1, 2, 2)), None)
    assert (answer["order"], answer["columns"], answer["texts"]) == (
        ["class", "score"],
        ["score"],
        {"class": ["nucleus"]},
    )
    assert len(arrays) == 2


def test_a_time_limit_does_not_outlive_its_image(samples: list[Sample]):
    one = DecoderProcess(threads=1)
    try:
        for _ in range(2):
            labels, _, _ = one.within(30, lambda p: p.decode(OTSU.name, maps_of(samples[0]), (256, 256), {}))
            assert labels.max() > 1
        assert one.alive
        timers = [thread for thread in threading.enumerate() if isinstance(thread, threading.Timer)]
        assert all(timer.finished.is_set() for timer in timers), "one that is cancelled ends soon"
    finally:
        one.close()


def test_a_killed_process_is_not_kept_for_the_next_image_while_it_dies():
    one = DecoderProcess(threads=1)
    try:
        one.kill()
        assert not one.alive
    finally:
        one.close()
