"""Our side: what zooscope's decoders make of the same maps. See test_decoders_beside_upstream.py."""

from pathlib import Path
from typing import Any

import numpy as np
from serve import best_seconds, serve

from zooscope.decode import find_decoder


def decode(
    method: str, path: str, shape: list[int], params: dict[str, Any], out: str, round_s: float
) -> dict[str, Any]:
    """Seconds of the best of the decodings of one round; the labels go to `out`. `method` is the decoder's name."""
    maps, decoder = np.load(path), find_decoder(method)
    np.save(Path(out), decoder.decode(maps, tuple(shape), **params)[0])
    return {"seconds": best_seconds(lambda: decoder.decode(maps, tuple(shape), **params), round_s)}


if __name__ == "__main__":
    serve({"decode": decode})
