"""Our N2V2 beside CAREamics': trained for the same minutes, on the same noisy images, on the same cores.

    ZOOSCOPE_PEER_CAREAMICS=peer/bin/python pytest tests/benchmarks/test_noise2void_beside_careamics.py

peers/noise2void_careamics.py says how to make that environment. ZOOSCOPE_BENCHMARK_MINUTES changes how long each side
trains. Both have 32 channels and see 16 patches of 64 px a step; all else is each side's own choice.
"""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import zooscope
from zooscope.data import Dataset, load_dataset
from zooscope.metrics import measure
from zooscope.sample import Task
from zooscope_zoo.packaging.export import export

PEER = "ZOOSCOPE_PEER_CAREAMICS"

MINUTES = float(os.environ.get("ZOOSCOPE_BENCHMARK_MINUTES", "12"))
PEERS = Path(__file__).parent / "peers"
N2V2 = ("blur_pool=true", "top_skip=false", "residual=false", "replacement=median", "depth=3")
TRIAL_STEPS = 100


@pytest.mark.timeout(7200)
def test_n2v2_restores_bsd68_better_than_careamics_in_the_same_minutes(
    peer: str, mirror: Path, tmp_path: Path, record: Callable[..., None]
) -> None:
    data = load_dataset("bsd68")
    test = data.only("test")
    ours = _ours(tmp_path)
    theirs = _theirs(peer, data, tmp_path)
    psnr = {
        "ours": _psnr(test, lambda id: ours["model"].predict(test[id].image.values)),
        "careamics": _psnr(test, lambda id: theirs[f"direct {id}"]),
        "careamics_predict": _psnr(test, lambda id: theirs[f"predict {id}"]),
        "noisy": _psnr(test, lambda id: test[id].image.values),
    }
    record(
        "noise2void-beside-careamics",
        psnr_255={who: round(value, 3) for who, value in psnr.items()},
        steps={"ours": ours["steps"], "careamics": int(theirs["steps"])},
        seconds={"ours": round(ours["seconds"]), "careamics": round(float(theirs["seconds"]))},
        parameters={"careamics": int(theirs["parameters"])},
        minutes=MINUTES,
        images=len(test),
    )
    assert ours["seconds"] <= float(theirs["seconds"])
    assert psnr["ours"] > psnr["careamics"]


def _ours(folder: Path) -> dict:
    """Our model after the minutes, which a trial of a few steps turns into a number of steps beforehand."""
    trial = _train(folder / "trial", TRIAL_STEPS)
    steps = int(0.9 * 60 * MINUTES / (trial["seconds"].iloc[-1] - trial["seconds"].iloc[0]) * TRIAL_STEPS / 2)
    seconds = float(_train(folder / "run", steps)["seconds"].iloc[-1])
    package = export(folder / "run", folder / "ours.zip")
    return {"model": zooscope.load_model(package, device="cpu"), "steps": steps, "seconds": seconds}


def _train(run: Path, steps: int) -> pd.DataFrame:
    settings = [f"network.{setting}" for setting in N2V2]
    settings += [f"training.steps={steps}", f"training.validate_every={min(steps // 2, 1000)}"]
    settings += ["training.learning_rate=1e-3"]
    sets = [part for setting in settings for part in ("--set", setting)]
    command = [
        sys.executable,
        "-c",
        "from zooscope.apart import main; main()",
        "train",
        "noise2void",
        "bsd68",
        "-o",
        str(run),
        *sets,
    ]
    subprocess.run(command, check=True, capture_output=True)
    return pd.read_csv(run / "curves.csv")


def _theirs(python: str, data: Dataset, folder: Path) -> dict[str, np.ndarray]:
    train = np.stack([data[id].image.values for id in data.only("train").ids]).astype(np.float32)
    test = {f"test {id}": data[id].image.values.astype(np.float32) for id in data.only("test").ids}
    np.savez(folder / "data.npz", train=train, **test)
    script = str(PEERS / "noise2void_careamics.py")
    out = folder / "careamics.npz"
    command = [python, script, str(folder / "data.npz"), str(out), str(MINUTES)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": ""})
    assert done.returncode == 0, done.stderr[-3000:]
    with np.load(out) as content:
        return {name: content[name] for name in content.files}


def _psnr(test: Dataset, restored: Callable[[str], np.ndarray]) -> float:
    values = [measure(restored(id), test[id].target, task=Task.RESTORATION)["psnr.range-255"] for id in test.ids]
    return float(np.mean(values))
