"""Outlines: star-shaped blobs, lumps, strokes, branching vessels, layers, cells and partitions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_segsam.train.data.synthetic.fields import Field, Frame, Mask, smooth_noise

_FAR = np.float32(1e3)
_TURN = 512
"""Directions in which an outline's radius is tabulated."""


def wavy_outline(rng: np.random.Generator, wobble: float, harmonics: int = 7) -> Field:
    """(512,) factors of a radius over one turn: Fourier orders 2 to ``harmonics`` with deviation ``wobble``."""
    angle = np.linspace(0, 2 * np.pi, _TURN, endpoint=False)
    order = np.arange(2, harmonics + 1)
    weight, phase = rng.normal(0, 1, order.size) / order, rng.uniform(0, 2 * np.pi, order.size)
    wave = (weight[:, None] * np.cos(order[:, None] * angle + phase[:, None])).sum(0)
    return np.asarray(np.exp(wobble * wave / np.sqrt((1.0 / (2 * order**2)).sum())), dtype=np.float32)


def radial(
    frame: Frame,
    rng: np.random.Generator,
    at: tuple[float, float],
    extent: tuple[float, float],
    angle: float = 0.0,
    wobble: float = 0.06,
    bend: float = 0.0,
) -> Field:
    """(side, side): 0 in the middle of a blob, 1 on its outline, more outside.

    Args:
        frame: coordinates.
        rng: source of chance.
        at: (v, u) of the middle.
        extent: half the height and half the width before turning.
        angle: turn, radians.
        wobble: how uneven the outline is.
        bend: how far the ends are pushed to the right, as a share of the height: 0.5 makes a bean.
    """
    reach = 1.6 * (max(extent) + abs(bend) * extent[0])
    near = (np.abs(frame.v - at[0]) < reach) & (np.abs(frame.u - at[1]) < reach)
    out = np.full(near.shape, _FAR)
    rows, cols = np.flatnonzero(near.any(1)), np.flatnonzero(near.any(0))
    if not rows.size:
        return out
    part = slice(rows[0], rows[-1] + 1), slice(cols[0], cols[-1] + 1)
    v, u = frame.v[part] - np.float32(at[0]), frame.u[part] - np.float32(at[1])
    sin, cos = np.float32(np.sin(angle)), np.float32(np.cos(angle))
    v, u = (v * cos + u * sin) / np.float32(extent[0]), (u * cos - v * sin) / np.float32(extent[1])
    if bend:
        u = u - np.float32(bend * extent[0] / extent[1]) * (v * v - np.float32(0.3))
    radius = np.hypot(v, u)
    if wobble:
        direction = (np.arctan2(v, u) * np.float32(_TURN / (2 * np.pi))).astype(np.int32) % _TURN
        radius = radius / wavy_outline(rng, wobble)[direction]
    out[part] = radius
    return out


def lump(rng: np.random.Generator, radius: Field, roughness: float, cells: float) -> Mask:
    """A blob whose rim is broken up by noise of ``cells`` bumps: masses, infiltrates, patches."""
    return np.asarray(radius + roughness * smooth_noise(rng, radius.shape[0], cells) < 1)


def stroke(side: int, points: NDArray[np.float64], radii: NDArray[np.float64]) -> Mask:
    """A band along (n, 2) row and column points in pixels, ``radii`` (n,) pixels to each side, with round ends."""
    mask = np.zeros((side, side), dtype=bool)
    for a, b, ra, rb in zip(points[:-1], points[1:], radii[:-1], radii[1:], strict=True):
        wide = max(ra, rb) + 1
        low = np.clip(np.floor(np.minimum(a, b) - wide), 0, side).astype(int)
        high = np.clip(np.ceil(np.maximum(a, b) + wide) + 1, 0, side).astype(int)
        if (high <= low).any():
            continue
        rows = np.arange(low[0], high[0])[:, None] - a[0]
        cols = np.arange(low[1], high[1])[None] - a[1]
        d = b - a
        t = np.clip((rows * d[0] + cols * d[1]) / max(float(d @ d), 1e-9), 0, 1)
        apart = (rows - t * d[0]) ** 2 + (cols - t * d[1]) ** 2
        mask[low[0] : high[0], low[1] : high[1]] |= apart <= np.square(ra + t * (rb - ra))
    return mask


def walk(
    rng: np.random.Generator, start: tuple[float, float], heading: float, length: float, curl: float, n: int = 10
) -> NDArray[np.float64]:
    """(n, 2) points of a smoothly turning path; ``curl`` is the deviation of its total turn in radians."""
    turning = rng.normal(0, curl) * np.linspace(0, 1, n - 1) + np.cumsum(rng.normal(0, 0.35 * curl / np.sqrt(n), n - 1))
    angle = heading + turning
    steps = np.stack([np.sin(angle), np.cos(angle)], 1) * (length / (n - 1))
    return np.asarray(np.vstack([[0.0, 0.0], np.cumsum(steps, 0)]) + np.asarray(start))


@dataclass(frozen=True)
class Growth:
    """How a tree of vessels grows; lengths and radii in pixels.

    Attributes:
        radius: of the root.
        length: of the root.
        curl: of each vessel, radians.
        forks: generations.
        thinnest: radius under which nothing grows.
    """

    radius: float
    length: float
    curl: float = 0.5
    forks: int = 4
    thinnest: float = 0.5


def tree(rng: np.random.Generator, side: int, start: tuple[float, float], heading: float, grow: Growth) -> Mask:
    """A vessel that branches, from ``start`` (row, column in pixels); radii follow Murray's law."""
    points = walk(rng, start, heading, grow.length, grow.curl, 7)
    end = grow.radius * rng.uniform(0.75, 0.95)
    mask = stroke(side, points, np.linspace(grow.radius, end, len(points)))
    if not grow.forks or end < grow.thinnest:
        return mask
    share = rng.uniform(0.25, 0.75)
    last = np.arctan2(*(points[-1] - points[-2]))
    for part, sign in ((share, 1), (1 - share, -1)):
        smaller = Growth(
            end * part ** (1 / 3), grow.length * rng.uniform(0.6, 1.0), grow.curl, grow.forks - 1, grow.thinnest
        )
        mask |= tree(rng, side, (points[-1][0], points[-1][1]), last + sign * rng.uniform(0.25, 0.8), smaller)
    return mask


def layers(frame: Frame, rng: np.random.Generator, edges: NDArray[np.float64], wave: float) -> NDArray[np.int16]:
    """(side, side) number of ``edges`` (in v) that lie above each pixel, all waving together and a little apart."""
    common = wave * smooth_noise(rng, frame.side, 1, 3)
    own = np.diff(edges, append=edges[-1] + 0.2).min() * 0.3
    above = np.zeros((frame.side, frame.side), dtype=np.int16)
    for edge in edges:
        line = smooth_noise(rng, frame.side, 1, rng.uniform(2, 6))[:1]
        above += frame.v + common > edge + own * line
    return above


def scatter(rng: np.random.Generator, side: int, wanted: int, apart: float) -> NDArray[np.float64]:
    """(n, 2) places in pixels, at most ``wanted``, no two closer than ``apart``."""
    places = rng.uniform(0, side, (wanted * 4, 2))
    kept: list[NDArray[np.float64]] = []
    for place in places:
        if len(kept) < wanted and (not kept or np.min(np.hypot(*(np.asarray(kept) - place).T)) >= apart):
            kept.append(place)
    return np.asarray(kept)


def nearest(
    frame: Frame, rng: np.random.Generator, seeds: NDArray[np.float64], uneven: float
) -> tuple[NDArray[np.int16], Field]:
    """A partition: the nearest seed (n, 2 in v and u) of each pixel, and by how much it is nearer than the next one."""
    best = np.full(frame.v.shape, _FAR)
    second = best.copy()
    owner = np.zeros(frame.v.shape, dtype=np.int16)
    for i, (v, u) in enumerate(seeds):
        apart = np.hypot(frame.v - np.float32(v), frame.u - np.float32(u)) + np.float32(rng.normal(0, uneven))
        closer = apart < best
        second = np.where(closer, best, np.minimum(second, apart))
        best = np.where(closer, apart, best)
        owner[closer] = i
    return owner, second - best
