"""The Pareto front: models that no other beats in both cost and score."""

from collections.abc import Sequence


def front(costs: Sequence[float], scores: Sequence[float], *, higher_is_better: bool = True) -> list[int]:
    """Indices on the front, cheapest first; of models equal in both, the first."""
    sign = 1 if higher_is_better else -1
    found: list[int] = []
    best = float("-inf")
    for index in sorted(range(len(costs)), key=lambda i: (costs[i], -sign * scores[i], i)):
        if sign * scores[index] > best:
            best = sign * scores[index]
            found.append(index)
    return found
