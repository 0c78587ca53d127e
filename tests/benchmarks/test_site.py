"""The site at scale: 200 models on 20 data sets of 100 made-up images each."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest

from zooscope.data.card import Card
from zooscope.metrics import RECORDS, measure
from zooscope.metrics.matching import THRESHOLDS
from zooscope.runkey import digest_of
from zooscope.sample import Task
from zooscope.store import SCHEMA

MODELS, DATA_SETS, IMAGES, GROUPS, STRATA = 200, 20, 100, 50, 4
LIMIT_S, LIMIT_BYTES, LIMIT_PAGE_BYTES = 45, 2e9, 1e6
ZOOSCOPE = [sys.executable, "-c", "from zooscope.cli import main; main()"]


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A reports folder of made-up rows: each model has its strength, each image its difficulty."""
    folder = tmp_path_factory.mktemp("scale")
    make_up(folder)
    return folder


def make_up(folder: Path) -> None:
    """Write all rows."""
    rng = np.random.default_rng(0)
    strengths = rng.uniform(0.3, 0.95, MODELS)
    for number in range(DATA_SETS):
        card = made_up_card(f"made-up-{number:02}")
        objects, hardness = rng.integers(5, 80, IMAGES), rng.uniform(0.5, 1.0, IMAGES)
        for model, strength in enumerate(strengths):
            write_row(folder, card, f"model-{model:03}", made_up_images(rng, objects, strength * hardness))


def made_up_card(id: str) -> Card:
    text = {"title": f"Made up: {id}", "description": "Made-up results.", "licence": "CC0-1.0", "citation": ""}
    task = Task.INSTANCE_SEGMENTATION
    return Card(id=id, version="1", task=task, splits={"test": ""}, publish_predictions=True, **text)


def made_up_images(rng: np.random.Generator, true: np.ndarray, quality: np.ndarray) -> pd.DataFrame:
    """Records whose counts could be real: no more matches than objects, fewer at higher thresholds."""
    columns = measure(np.zeros((2, 2), int), np.zeros((2, 2), int))
    table = pd.DataFrame(0.0, index=[f"image-{n:03}" for n in range(IMAGES)], columns=list(columns))
    predicted = np.maximum(1, true + rng.integers(-3, 4, IMAGES))
    table["true"], table["predicted"] = true, predicted
    for percent in THRESHOLDS:
        share = np.clip(quality * (1.25 - percent / 200), 0, 1)
        tp = rng.binomial(np.minimum(true, predicted), share)
        table[f"tp{percent}"] = table[f"above{percent}"] = tp
        table[f"iou{percent}"] = tp * 0.8
    table["pixels"], table["fg_tp"] = 65536, (true * 100 * quality).astype(int)
    table["fg_fp"] = table["fg_fn"] = (true * 100 * (1 - quality)).astype(int)
    table.insert(0, "group", [f"group-{n % GROUPS}" for n in range(IMAGES)])
    table.insert(1, "stratum", [f"stratum-{n % STRATA}" for n in range(IMAGES)])
    table.insert(2, "seconds", 0.1)
    return table


def write_row(reports: Path, card: Card, name: str, images: pd.DataFrame) -> None:
    digest, key = digest_of(name), digest_of(name, card.id)
    seconds = 10 ** (int(digest[:4], 16) / 2**15 - 2)
    folder = reports / "results" / card.name / "test" / f"{name}@{digest[:8]}" / key[:8]
    folder.mkdir(parents=True)
    about = {"id": card.id, "version": card.version, "digest": "d" * 64, "split": "test", "images": IMAGES}
    run = {
        "schema": SCHEMA, "status": "done", "records": RECORDS[card.task], "key": key, "request": key,
        "model": {"name": name, "digest": digest, "kind": "package", "title": f"The model {name}", "licence": "MIT",
                  "size_bytes": int(1e8 * seconds), "training_data": [], "card": "# Model\n\nMade up.\n" * 50},
        "dataset": {**about, "groups": GROUPS, "card": card.model_dump(mode="json", exclude={"sources"})},
        "protocol": {"weights": "onnx", "device": "cpu", "decoder": "stardist@1"},
        "params": {"threshold": 0.5}, "tuning": None, "trained_on": None, "seconds_per_image": seconds,
        "environment": {"python": "3.12", "versions": {"numpy": "2"}}, "created": "2026-01-01T00:00:00+00:00",
    }  # fmt: skip
    (folder / "run.json").write_text(json.dumps(run))
    images.to_csv(folder / "images.csv", index_label="id", float_format="%.9g")


def run_and_watch(words: list[str]) -> tuple[float, float, int]:
    """Seconds, seconds of processors, and the most memory that the process and its children held at once."""
    begin, most = time.perf_counter(), 0
    process = subprocess.Popen([*ZOOSCOPE, *words], stdout=subprocess.DEVNULL)
    before = os.times()
    done = threading.Event()

    def watch() -> None:
        nonlocal most
        while not done.wait(0.1):
            try:
                root = psutil.Process(process.pid)
                held = sum(p.memory_info().rss for p in (root, *root.children(recursive=True)))
            except psutil.NoSuchProcess:
                continue
            most = max(most, held)

    watcher = threading.Thread(target=watch)
    watcher.start()
    code = process.wait()
    done.set()
    watcher.join()
    assert code == 0
    after = os.times()
    used = after.children_user + after.children_system - before.children_user - before.children_system
    return time.perf_counter() - begin, used, most


def test_two_hundred_models_on_twenty_data_sets_make_a_site(reports: Path, record: Callable[..., None]) -> None:
    seconds, used, memory = run_and_watch(["report", "--site", "--reports", str(reports)])
    site = reports / "site"
    first = (site / "index.html").stat().st_size
    benchmark = site / "benchmarks" / "made-up-00"
    page = sum((benchmark / name).stat().st_size for name in ("index.html", "board.js"))
    lazy = {path.stem: path.stat().st_size for path in (benchmark / "images.js", benchmark / "pairs.js")}
    shared = sum(path.stat().st_size for path in (site / "static").iterdir())
    total = sum(path.stat().st_size for path in site.rglob("*") if path.is_file())
    assert len(list((site / "models").glob("*.html"))) == MODELS
    record(
        "site",
        models=MODELS,
        data_sets=DATA_SETS,
        images=IMAGES,
        seconds=round(seconds, 1),
        processor_seconds=round(used, 1),
        peak_memory_bytes=memory,
        first_page_bytes=first,
        benchmark_page_bytes=page,
        loaded_later_bytes=lazy,
        shared_bytes=shared,
        site_bytes=total,
        limit_s=LIMIT_S,
        limit_memory_bytes=int(LIMIT_BYTES),
        limit_page_bytes=int(LIMIT_PAGE_BYTES),
    )
    assert memory < LIMIT_BYTES
    assert max(first, page + shared) < LIMIT_PAGE_BYTES
    assert seconds < LIMIT_S
