"""Compare a converted checkpoint with Cellpose's own network: the largest difference of their maps.

Needs cellpose 3.1 besides, which nothing else here does: pip install "cellpose==3.1.1.2"
"""

import tempfile
from pathlib import Path

import torch
from cellpose.resnet_torch import CPnet  # pyright: ignore[reportMissingImports]

from zooscope_zoo.cellpose.checkpoint import read_checkpoint
from zooscope_zoo.cellpose.network import CellposeNetwork

WIDTHS = [2, 32, 64, 128, 256]
SIZES_PX = (64, 96), (224, 224), (264, 512)


def main() -> None:
    """Of a seeded, untrained network, whose batch norms have seen a few images of noise."""
    torch.manual_seed(0)
    theirs = CPnet(WIDTHS, 3, 3, diam_mean=30.0).train()
    with torch.no_grad():
        for _ in range(20):
            theirs(torch.rand(2, 2, 64, 64))
    theirs.eval()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "untrained"
        theirs.save_model(path)
        found = read_checkpoint(path)
    ours = CellposeNetwork(**found.config.model_dump()).eval()
    ours.load_state_dict(found.weights)
    print(f"diameter {found.diameter_px:g} px, {found.config}")
    for size in SIZES_PX:
        image = torch.rand(2, 1, *size)
        with torch.inference_mode():
            expected = theirs(torch.cat([image, torch.zeros_like(image)], dim=1))[0]
            difference = float((ours(image) - expected).abs().max())
        print(f"{size[0]}x{size[1]} px: largest difference {difference:.2e}, of maps up to {expected.abs().max():.3g}")


if __name__ == "__main__":
    main()
