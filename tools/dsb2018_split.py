"""Make datasets/splits/dsb2018.csv again, or show how far random splits leak.

usage: python tools/dsb2018_split.py table > dsb2018.csv
       python tools/dsb2018_split.py leak

DSB 2018's images are largely tiles of larger fields. Two images of one size belong to one field where the last row (or
column) of one continues in the first of the other: their mean absolute difference is at most twice that between the
last two rows of the first image (or 1.5 grey values), their correlation is above 0.95, and the row's standard deviation
is above 2. Fields are the connected components. The split is drawn by field within each stratum, in the order of
sha256("dsb2018-v1:" + field): test up to 15 % of the images, then validation up to 10 %, the rest is for training.
"""

import argparse
import csv
import hashlib
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

import zooscope
from zooscope.data.readers.dsb2018 import stratum

Gray = NDArray[np.float32]


def continuations(ids: Sequence[str], images: Sequence[Gray]) -> Iterator[tuple[str, str]]:
    """Pairs of images, all of one size, of which the second continues the first to the right or downwards."""
    sides: list[Callable[[Gray, int], Gray]] = [lambda x, i: x[:, i], lambda x, i: x[i]]
    for side in sides:
        ends, starts = (np.stack([side(image, i) for image in images]) for i in (-1, 0))
        inner = np.abs(ends - np.stack([side(image, -2) for image in images])).mean(1)
        for i, end in enumerate(ends):
            gap = np.abs(end - starts).mean(1)
            gap[i] = np.inf
            j = int(gap.argmin())
            if end.std() <= 2 or starts[j].std() == 0 or gap[j] >= max(2 * inner[i], 1.5):
                continue
            if np.corrcoef(end, starts[j])[0, 1] > 0.95:
                yield ids[i], ids[j]


def fields() -> tuple[dict[str, str], dict[str, str]]:
    """Field (its first image's id) and stratum of every image."""
    images: dict[str, Gray] = {}
    strata: dict[str, str] = {}
    by_size: dict[tuple[int, ...], list[str]] = defaultdict(list)
    for sample in zooscope.load_dataset("dsb2018"):
        pixels = sample.image.values
        images[sample.id] = (pixels.mean(-1, dtype=np.float32) if pixels.ndim == 3 else pixels).astype(np.float32)
        strata[sample.id] = stratum(pixels, sample.target)
        by_size[images[sample.id].shape].append(sample.id)
    parent = {id: id for id in images}

    def root(id: str) -> str:
        while parent[id] != id:
            id = parent[id]
        return id

    for ids in by_size.values():
        for first, second in continuations(ids, [images[id] for id in ids]):
            parent[root(second)] = root(first)
    members: dict[str, list[str]] = defaultdict(list)
    for id in images:
        members[root(id)].append(id)
    return {id: min(ids) for ids in members.values() for id in ids}, strata


def split_by_field(field: Mapping[str, str], strata: Mapping[str, str]) -> dict[str, str]:
    """Split of every image; a field is never cut."""
    members: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for id, name in field.items():
        members[strata[id]][name].append(id)
    split: dict[str, str] = {}
    for stratum_fields in members.values():
        total, test, validation = sum(map(len, stratum_fields.values())), 0, 0
        order = sorted(stratum_fields, key=lambda name: hashlib.sha256(f"dsb2018-v1:{name}".encode()).hexdigest())
        for name in order:
            size = len(stratum_fields[name])
            if test + size <= round(0.15 * total):
                part, test = "test", test + size
            elif validation + size <= round(0.10 * total):
                part, validation = "validation", validation + size
            else:
                part = "train"
            split.update(dict.fromkeys(stratum_fields[name], part))
    return split


def random_leak(field: Mapping[str, str], *, draws: int = 1000, seed: int = 0) -> tuple[float, float, float]:
    """Part of the test images that share a field with a training image when 15 % are drawn at random.

    Returns
    -------
    Mean over draws, and the 2.5 and 97.5 percentiles.
    """
    names = np.unique([field[id] for id in sorted(field)], return_inverse=True)[1]
    rng = np.random.default_rng(seed)
    found: list[float] = []
    for _ in range(draws):
        test = rng.permutation(len(names)) < round(0.15 * len(names))
        found.append(float(np.isin(names[test], names[~test]).mean()))
    low, high = np.quantile(found, [0.025, 0.975])
    return float(np.mean(found)), float(low), float(high)


def main() -> None:
    """Print what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["table", "leak"])
    field, strata = fields()
    if parser.parse_args().what == "leak":
        mean, low, high = random_leak(field)
        print(f"{len(field)} images, {len(set(field.values()))} fields")
        print(f"random 85/15 splits: {mean:.1%} of test images share a field with training ({low:.1%} to {high:.1%})")
        return
    split = split_by_field(field, strata)
    out = csv.writer(sys.stdout, lineterminator="\n")
    out.writerow(["id", "group", "stratum", "split"])
    out.writerows([id, field[id], strata[id], split[id]] for id in sorted(field))


if __name__ == "__main__":
    main()
