"""The charts of the evaluation's page, as SVG and HTML that need nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

MODEL, BASELINE = "#0072b2", "#b8b8b8"
_SIDE, _EDGE = 260, 36


def calibration_chart(bins: Sequence[tuple[float, float]]) -> str:
    """(mean score, share of right answers) of each bin, beside the diagonal of perfect calibration."""
    return _chart(bins, "score of the best class", "share of right answers", diagonal=True)


def clicks_chart(dice: Sequence[float]) -> str:
    """Dice after each click."""
    steps = max(len(dice) - 1, 1)
    points = [(n / steps, d) for n, d in enumerate(dice)]
    return _chart(points, f"clicks, 1 to {len(dice)}", "mean Dice")


def dataset_bars(model: Mapping[str, tuple[int, float]], baseline: Mapping[str, float]) -> str:
    """A table with a bar for each data set.

    Args:
        model: data set -> (number of masks, mean Dice), shown best first.
        baseline: data set -> mean Dice; empty where no baseline was run.
    """
    rows = []
    for name, (n, dice) in sorted(model.items(), key=lambda item: -item[1][1]):
        bars = _bar(dice, MODEL) + (_bar(baseline[name], BASELINE) if name in baseline else "")
        rows.append(f'<tr><th>{escape(name)}</th><td>{n}</td><td class="bars">{bars}</td></tr>')
    return f"<table><tr><th>data set</th><th>n</th><th>mean Dice</th></tr>{''.join(rows)}</table>"


def _bar(value: float, colour: str) -> str:
    return f'<div><i style="width:{80 * value:.1f}%;background:{colour}"></i> {value:.3f}</div>'


def _chart(points: Sequence[tuple[float, float]], x_label: str, y_label: str, diagonal: bool = False) -> str:
    """Points of the unit square, joined by a line."""

    def at(x: float, y: float) -> tuple[float, float]:
        return _EDGE + x * _SIDE, _EDGE / 2 + (1 - y) * _SIDE

    drawn = [f'<rect x="{_EDGE}" y="{_EDGE / 2}" width="{_SIDE}" height="{_SIDE}" fill="none" stroke="#ccc"/>']
    for tick in (0, 0.25, 0.5, 0.75, 1):
        drawn.append(_text((_EDGE - 6, at(0, tick)[1] + 4), f"{tick:g}", "end"))
        if diagonal:
            drawn.append(_text((at(tick, 0)[0], at(0, 0)[1] + 16), f"{tick:g}", "middle"))
    if diagonal:
        drawn.append(_line([at(0, 0), at(1, 1)], "#999"))
    places = [at(*p) for p in points]
    drawn.append(_line(places, MODEL))
    drawn += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{MODEL}"/>' for x, y in places]
    drawn.append(_text((_EDGE + _SIDE / 2, _SIDE + _EDGE * 1.4), x_label, "middle"))
    drawn.append(_text((_EDGE, 12), y_label, "start"))
    font = f'<g font-size="11" font-family="sans-serif">{"".join(drawn)}</g>'
    size = f"0 0 {_SIDE + 1.5 * _EDGE:g} {_SIDE + 1.7 * _EDGE:g}"
    return f'<svg viewBox="{size}" width="340" role="img" xmlns="http://www.w3.org/2000/svg">{font}</svg>'


def _line(places: Sequence[tuple[float, float]], colour: str) -> str:
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    return f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.5"/>'


def _text(place: tuple[float, float], words: str, anchor: str) -> str:
    x, y = place
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'
