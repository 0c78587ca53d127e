"""Make datasets/demo again: a dozen small images of DSB 2018, from its validation and test splits.

usage: python tools/demo_set.py        (fetches dsb2018, or takes it from ZOOSCOPE_MIRROR)

Of every kind the images whose sha256("demo:" + id) is smallest, one a field, with 8 to 120 objects.
"""

import hashlib
from collections.abc import Iterator

import zooscope
from zooscope.bundled import bundled
from zooscope.data.folder import write_folder
from zooscope.sample import Sample

WANTED = {
    ("validation", "fluorescence-256x256"): 2,
    ("validation", "histology-256x320"): 1,
    ("test", "fluorescence-256x256"): 7,
    ("test", "fluorescence-360x360"): 1,
    ("test", "histology-256x320"): 2,
}


def chosen() -> Iterator[tuple[Sample, str]]:
    """The demo's samples with their split."""
    dataset = zooscope.load_dataset("dsb2018")
    for (split, stratum), count in WANTED.items():
        table = dataset.table[(dataset.table["split"] == split) & (dataset.table["stratum"] == stratum)]
        fields: set[str] = set()
        for id in sorted(table.index, key=lambda id: hashlib.sha256(f"demo:{id}".encode()).hexdigest()):
            sample = dataset[id]
            if len(fields) < count and sample.group not in fields and 8 <= sample.target.max() <= 120:
                fields.add(sample.group)
                yield sample, split


if __name__ == "__main__":
    print("digest =", write_folder(bundled("datasets") / "demo", chosen()))
