"""BBBC038 as published: stage1 train with masks, stage1 test and stage2 with run-length solutions."""

import csv
import zipfile
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

from zooscope.data.archive import open_zip
from zooscope.data.card import Card
from zooscope.data.labels import labels_from_masks, mask_from_runs
from zooscope.data.readers.dsb2018 import decode, images_only, samples_with_masks, stratum
from zooscope.errors import DataError
from zooscope.sample import Sample, as_image

_SCORED = {"Private", "Public"}
"""Kaggle's `Usage`: Private (and in stage 1 Public) images count; Ignored ones were strewn in and do not."""


def read(card: Card, files: Mapping[str, Path]) -> Iterator[tuple[Sample, str]]:
    """stage1_train as train, stage1_test as validation, the scored images of stage2 as test."""
    for sample in samples_with_masks(files["stage1_train.zip"]):
        yield sample, "train"
    for sample in _with_solution(files["stage1_test.zip"], files["stage1_solution.csv"]):
        yield sample, "validation"
    for sample in _with_solution(files["stage2_test_final.zip"], files["stage2_solution_final.csv"]):
        yield sample, "test"


def _with_solution(images: Path, solution: Path) -> Iterator[Sample]:
    rows = _scored_rows(solution)
    with open_zip(images) as archive:
        members = images_only(archive)
        missing = sorted(set(rows) - set(members))
        if missing:
            what = f"{len(missing)} images of {solution.name} are missing"
            raise DataError(f"{images}: {what}, the first is '{missing[0]}'")
        for id in sorted(rows):
            yield _sample(archive, id, members[id], rows[id], solution)


def _sample(archive: zipfile.ZipFile, id: str, member: str, rows: list[dict[str, str]], solution: Path) -> Sample:
    image = as_image(decode(archive, member), axes="yxc", source=f"{archive.filename}: {member}")
    shape = (image.sizes["y"], image.sizes["x"])
    source = f"{solution}: {id}"
    if (str(shape[0]), str(shape[1])) != (rows[0]["Height"], rows[0]["Width"]):
        raise DataError(f"{source}: {rows[0]['Height']}x{rows[0]['Width']}, but the image is {shape[0]}x{shape[1]}")
    masks = (mask_from_runs(row["EncodedPixels"], shape=shape, source=source) for row in rows)
    target = labels_from_masks(masks, shape=shape, source=source)
    return Sample(id, image, target, group=id, stratum=stratum(image.values, target))


def _scored_rows(solution: Path) -> dict[str, list[dict[str, str]]]:
    rows: dict[str, list[dict[str, str]]] = defaultdict(list)
    with solution.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        lacking = {"ImageId", "EncodedPixels", "Height", "Width", "Usage"} - set(reader.fieldnames or ())
        if lacking:
            found = ", ".join(reader.fieldnames or ())
            raise DataError(f"{solution}: column '{min(lacking)}' is missing; found {found}")
        for row in reader:
            if None in row.values():
                raise DataError(f"{solution}: line {reader.line_num} is cut short; delete the file and fetch again")
            if row["Usage"] in _SCORED:
                rows[row["ImageId"]].append(row)
    if not rows:
        raise DataError(f"{solution}: no row has Usage {' or '.join(sorted(_SCORED))}")
    return rows
