"""Our side: `python cellpose_ours.py DATA.npz PACKAGE`, with zooscope installed. See test_sizing_beside_upstream.py."""

import os
import sys
import time
from functools import partial
from typing import Any

import numpy as np
import torch
import xarray as xr
from serve import serve

import zooscope
from zooscope.decode import find_decoder
from zooscope.sizing import find_scale


def main(data: str, package: str) -> None:
    """Serve."""
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    with np.load(data) as arrays:
        images = [arrays[name] for name in sorted(arrays)]
    model = zooscope.load_model(package, device="cpu")
    assert model.sizing is not None
    assert model.package.decoder is not None
    known_px, choice = model.sizing.known_px, model.package.decoder
    decode = partial(find_decoder(choice.id, choice.version).decode, **choice.params)

    def about() -> dict[str, Any]:
        return {"known_px": known_px, "threads": torch.get_num_threads(), "torch": str(torch.__version__)}

    def size(number: int) -> dict[str, Any]:
        """Of one image, from raw."""
        image, looks = xr.DataArray(images[number], dims=("y", "x")), list[int]()

        def maps(part: xr.DataArray) -> Any:
            looks.append(part.size)
            return model.maps(part)

        begin = time.perf_counter()
        factor = find_scale(image, model.sizing, maps, decode)
        return {"seconds": time.perf_counter() - begin, "diameter": known_px / factor, "looks": len(looks)}

    serve({"about": about, "size": size})


if __name__ == "__main__":
    main(*sys.argv[1:])
