"""Make tests/harness/decode/cellpose_reference.npz: maps of a demo image, and the labels that Cellpose makes of them.

Needs cellpose 3.1, which nothing else here does: pip install "cellpose==3.1.1.2"
"""

from pathlib import Path

import numpy as np
from cellpose.dynamics import compute_masks  # pyright: ignore[reportMissingImports]
from cellpose.utils import fill_holes_and_remove_small_masks  # pyright: ignore[reportMissingImports]
from scipy import ndimage

from zooscope.data import load_dataset
from zooscope.decode.cellpose_flows import flows_of_labels

STEPS_A_UNIT = 20
"""Maps are stored as whole numbers, so many to one."""


def main() -> None:
    """Flows of the true labels with smooth noise, as one number a byte, and Cellpose's labels of exactly these."""
    truth = next(s for s in load_dataset("demo") if s.axes == "yx" and s.target.max() > 50).target[:160, :160]
    noise = np.random.default_rng(0).normal(size=(3, *truth.shape))
    smooth = np.stack([ndimage.gaussian_filter(channel, 2) for channel in noise]) * 3.5
    maps = np.concatenate(
        [5 * (flows_of_labels(truth) + 0.4 * smooth[:2]), np.where(truth > 0, 4, -4)[None] + smooth[2:]]
    )
    stored = np.clip(np.rint(maps * STEPS_A_UNIT), -127, 127).astype(np.int8)
    read = stored.astype(np.float32) / STEPS_A_UNIT
    labels = compute_masks(read[:2], read[2], cellprob_threshold=0.0, flow_threshold=0.4, do_3D=False)
    labels = fill_holes_and_remove_small_masks(labels, min_size=15)
    path = Path(__file__).parents[1] / "tests" / "harness" / "decode" / "cellpose_reference.npz"
    np.savez_compressed(path, maps=stored, labels=np.asarray(labels, np.uint8))


if __name__ == "__main__":
    main()
