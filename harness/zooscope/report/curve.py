"""AP against the IoU threshold, as an inline SVG."""

from collections.abc import Sequence

from markupsafe import Markup, escape

from zooscope.report.board import Board

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 760, 300, 44, 210, 12, 40
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#8a6d00", "#56b4e9", "#7f7f7f")
DASHES = ("", "7 3", "2 3", "9 3 2 3")


def ap_curves(board: Board, subset: str, thresholds: Sequence[int]) -> Markup:
    """One line a model, named at its right end; colours of Okabe and Ito, dashed where they run out."""
    lines: list[str] = []
    ends: list[tuple[float, str, str]] = []
    for number, row in enumerate(board.rows):
        scores = [row.standings[subset].scores[f"ap{percent}.per-image@1"].score for percent in thresholds]
        points = " ".join(f"{_x(p, thresholds):.1f},{_y(s):.1f}" for p, s in zip(thresholds, scores, strict=True))
        colour, dash = COLOURS[number % len(COLOURS)], DASHES[number // len(COLOURS) % len(DASHES)]
        dots = "".join(
            f'<circle cx="{_x(p, thresholds):.1f}" cy="{_y(s):.1f}" r="3" fill="{colour}">'
            f"<title>{escape(row.name)}: {s:.3f} at IoU {p / 100:g}</title></circle>"
            for p, s in zip(thresholds, scores, strict=True)
        )
        style = f'fill="none" stroke="{colour}" stroke-width="2" stroke-dasharray="{dash}"'
        lines.append(f'<polyline points="{points}" {style}/>{dots}')
        ends.append((_y(scores[0]), colour, row.name))
    height = max(HEIGHT, TOP + 20 * len(ends) + 20)
    return Markup(
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="AP against IoU threshold, {escape(subset)}">'
        f"{_grid(thresholds)}{''.join(lines)}{_legend(ends)}</svg>"
    )


def _grid(thresholds: Sequence[int]) -> str:
    right, low = WIDTH - RIGHT, HEIGHT - BOTTOM
    parts = [
        f'<line x1="{LEFT}" x2="{right}" y1="{_y(v / 5):.1f}" y2="{_y(v / 5):.1f}" class="grid"/>'
        f'<text x="{LEFT - 6}" y="{_y(v / 5) + 4:.1f}" text-anchor="end">{v / 5:.1f}</text>'
        for v in range(6)
    ]
    parts += [
        f'<text x="{_x(p, thresholds):.1f}" y="{low + 16}" text-anchor="middle">{p / 100:.2f}</text>'
        for p in thresholds[::2]
    ]
    parts.append(f'<text x="{(LEFT + right) / 2}" y="{HEIGHT - 6}" text-anchor="middle">IoU threshold</text>')
    return "".join(parts)


def _legend(ends: list[tuple[float, str, str]]) -> str:
    """Names in the order of the first threshold's scores, never on top of each other."""
    parts: list[str] = []
    for place, (_, colour, name) in enumerate(sorted(ends)):
        y = TOP + 14 + 20 * place
        x = WIDTH - RIGHT + 18
        parts.append(f'<circle cx="{x}" cy="{y - 4}" r="5" fill="{colour}"/>')
        parts.append(f'<text x="{x + 12}" y="{y}">{escape(name[:30])}</text>')
    return "".join(parts)


def _x(percent: int, thresholds: Sequence[int]) -> float:
    span = WIDTH - LEFT - RIGHT - 10
    return LEFT + span * (percent - thresholds[0]) / (thresholds[-1] - thresholds[0])


def _y(score: float) -> float:
    return TOP + (1 - score) * (HEIGHT - TOP - BOTTOM)
