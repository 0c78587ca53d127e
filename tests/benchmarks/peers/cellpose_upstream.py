"""Upstream's side: `python cellpose_upstream.py DATA.npz FOLDER`, where cellpose 3.1.1.2 is installed.

Writes a seeded, untrained network that sees no cells, and a size model that guesses the network's own diameter, to
FOLDER. See test_sizing_beside_upstream.py.
"""

import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from cellpose import models  # pyright: ignore[reportMissingImports]
from serve import serve

GRAY = [0, 0]
STYLES = 256


def written(folder: Path) -> str:
    """Path of the network; its size model lies beside it."""
    path = folder / "untrained"
    torch.manual_seed(0)
    network = models.CellposeModel(gpu=False, pretrained_model=False)
    with torch.no_grad():
        network.net.output[-1].bias[2] = -10.0  # the logit of a cell
    network.net.save_model(str(path))
    flat = {"A": np.zeros(STYLES), "smean": np.zeros(STYLES), "ymean": 0.0, "diam_mean": network.diam_mean}
    np.save(f"{path}_size.npy", np.array(flat), allow_pickle=True)
    return str(path)


def main(data: str, folder: str) -> None:
    """Serve."""
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    with np.load(data) as arrays:
        images = [arrays[name] for name in sorted(arrays)]
    ready: dict[str, Any] = {}

    def about() -> dict[str, Any]:
        path = written(Path(folder))
        network = models.CellposeModel(gpu=False, pretrained_model=path)
        ready["sizes"] = models.SizeModel(network, pretrained_size=f"{path}_size.npy")
        return {"checkpoint": path, "threads": torch.get_num_threads(), "torch": str(torch.__version__)}

    def size(number: int) -> dict[str, Any]:
        """Of one image, from raw."""
        begin = time.perf_counter()
        diameter, _ = ready["sizes"].eval(images[number], channels=GRAY)
        return {"seconds": time.perf_counter() - begin, "diameter": float(diameter)}

    serve({"about": about, "size": size})


if __name__ == "__main__":
    main(*sys.argv[1:])
