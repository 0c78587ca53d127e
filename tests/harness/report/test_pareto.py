import numpy as np

from zooscope.report.pareto import front


def test_on_the_front_stands_exactly_who_is_beaten_by_nobody() -> None:
    rng = np.random.default_rng(0)
    costs, scores = rng.integers(0, 12, 40).tolist(), rng.integers(0, 12, 40).tolist()
    found = front(costs, scores)

    def beaten(i: int) -> bool:
        return any(
            costs[j] <= costs[i] and scores[j] >= scores[i] and (costs[j], scores[j]) != (costs[i], scores[i])
            for j in range(40)
        )

    assert {(costs[i], scores[i]) for i in found} == {(costs[i], scores[i]) for i in range(40) if not beaten(i)}
    assert [costs[i] for i in found] == sorted({costs[i] for i in found})


def test_where_lower_is_better_the_front_falls() -> None:
    assert front([1, 2, 3], [5, 6, 4], higher_is_better=False) == [0, 2]
