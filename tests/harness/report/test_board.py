from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from stardist.matching import matching_dataset

from zooscope.data import Dataset
from zooscope.errors import DataError
from zooscope.report.board import Board, make_board
from zooscope.store import Results, read_result


def test_rows_come_best_first_and_failures_keep_their_reasons(board: Board) -> None:
    scores = [row.standings["all"].scores[board.shown.ranked_by].score for row in board.rows]
    assert scores == sorted(scores, reverse=True)
    assert [failed.run["model"]["name"] for failed in board.failures] == ["broken <b>"]
    assert "Keras" in board.failures[0].run["reason"]


def test_per_image_and_pooled_scores_equal_stardists_on_the_stored_label_images(board: Board, demo: Dataset) -> None:
    data = demo.only("test")
    for row in board.rows:
        truth = [data[id].target for id in data.ids]
        stored = [row.result.prediction(id) for id in data.ids]
        for percent in (50, 75, 90):
            for how, by_image in (("per-image", True), ("pooled", False)):
                theirs = matching_dataset(truth, stored, thresh=percent / 100, by_image=by_image, show_progress=False)
                ours = row.standings["all"].scores[f"ap{percent}.{how}@1"].score
                assert ours == pytest.approx(theirs.accuracy, abs=1e-9)


def test_subsets_and_strata_are_scored_on_their_own_images(board: Board, demo: Dataset) -> None:
    row = board.rows[0]
    images = row.result.images
    parts = {name: images["stratum"].str.startswith(name) for name in ("fluorescence", "histology")}
    assert {s.name: s.images for s in board.subsets if s.kind == "subset"} == {
        n: int(p.sum()) for n, p in parts.items()
    }
    for name, part in parts.items():
        accuracy = images["tp50"] / (images["true"] + images["predicted"] - images["tp50"])
        assert row.standings[name].scores[board.shown.ranked_by].score == pytest.approx(accuracy[part].mean())
    assert sum(s.images for s in board.subsets if s.kind == "stratum") == len(demo.only("test"))


def test_a_part_with_fewer_than_ten_groups_has_no_interval(board: Board) -> None:
    groups = {subset.name: subset.groups for subset in board.subsets}
    for name, standing in board.rows[0].standings.items():
        assert (standing.scores[board.shown.ranked_by].low is None) == (groups[name] < 10)


def test_the_best_model_is_behind_nobody_and_the_others_are_compared_to_it_pairwise(board: Board) -> None:
    best, second = (row.standings["all"] for row in board.rows)
    assert best.behind is None
    assert second.behind is not None
    gap = second.scores[board.shown.ranked_by].score - best.scores[board.shown.ranked_by].score
    assert second.behind.score == pytest.approx(gap)
    assert second.behind.low <= gap <= second.behind.high


def test_rows_on_other_content_never_share_a_board(reports: Path, demo: Dataset) -> None:
    results = list(Results(reports).all(dataset="demo@1", split="test"))
    other = replace(results[0], run={**results[0].run, "dataset": {**results[0].run["dataset"], "digest": "0" * 64}})
    with pytest.raises(DataError, match="cannot stand in one board"):
        make_board([other, *results[1:]], demo.card)


def test_the_table_has_a_line_a_score_and_one_a_failure(board: Board) -> None:
    table = board.table()
    columns = ["model", "subset", "metric", "score", "low", "high", "images", "groups"]
    assert list(table.columns) == [*columns, "rank", "rank_low", "rank_high", "reason"]
    assert table["reason"].notna().sum() == 1
    scored = table[table["reason"].isna()]
    assert np.isfinite(scored["score"].astype(float)).all()
    assert not scored.duplicated(["model", "subset", "metric"]).any()


def test_ranks_have_intervals_where_there_are_ten_groups_and_stand_beside_their_metric(board: Board) -> None:
    groups = {subset.name: subset.groups for subset in board.subsets}
    table = board.table().set_index("metric")
    for row in board.rows:
        for name, standing in row.standings.items():
            assert (standing.rank_interval is None) == (groups[name] < 10 or standing.rank is None)
        standing = row.standings["all"]
        low, high = standing.rank_interval
        assert 1 <= low <= standing.rank <= high <= 2
        mine = table[(table["model"] == row.name) & (table["subset"] == "all")]
        assert list(mine.loc[board.shown.ranked_by, ["rank", "rank_low", "rank_high"]]) == [standing.rank, low, high]
        assert mine.drop(board.shown.ranked_by)["rank"].isna().all()


COMMITTED = sorted(Path(__file__).parents[3].glob("reports/results/dsb2018@1/test/*/*/run.json"))


def test_the_rows_that_the_readme_shows_are_committed() -> None:
    names = {path.parents[1].name.partition("@")[0] for path in COMMITTED}
    assert {"unet2d-nuclei-broad-v0.5", "unet2d-nuclei-broad-v0.4", "pancreatic-phase-keras-v0.3"} <= names
    assert {"baseline-otsu-watershed", "baseline-local-threshold", "nuclei-tiny"} <= names


def test_the_committed_twins_have_identical_predictions() -> None:
    twins = [path for path in COMMITTED if "nuclei-broad" in str(path)]
    labels = [(path.parent / "labels.zip").read_bytes() for path in twins]
    assert len(labels) == 2
    assert labels[0] == labels[1]


@pytest.mark.parametrize("path", COMMITTED)
def test_every_committed_row_of_dsb2018_equals_stardists_scores_of_its_label_images(
    path: Path, dsb2018: Dataset
) -> None:
    result = read_result(path.parent)
    data = dsb2018.only("test")
    assert result.run["dataset"]["digest"] == data.digest
    if result.failed:
        assert result.run["reason"]
        return
    scores = make_board([result], data.card).rows[0].standings["all"].scores
    truth = [data[id].target for id in data.ids]
    stored = [result.prediction(id) for id in data.ids]
    for percent in range(50, 100, 5):
        by_image = matching_dataset(truth, stored, thresh=percent / 100, by_image=True, show_progress=False)
        pooled = matching_dataset(truth, stored, thresh=percent / 100, by_image=False, show_progress=False)
        assert scores[f"ap{percent}.per-image@1"].score == pytest.approx(by_image.accuracy, abs=1e-9)
        assert scores[f"ap{percent}.pooled@1"].score == pytest.approx(pooled.accuracy, abs=1e-9)
