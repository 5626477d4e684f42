"""Tubes on the 1 mm grid: log-odds fields whose volume is right however thin the tube is.

Around a centre line the log-odds of being inside fall with the square of the distance d in mm,
a - b d^2, which cubic interpolation between the points of the grid keeps exactly. The area of a
cross-section is then (pi / b) log(1 + exp(a)), so a = log(exp(b r^2) - 1) gives the area of a
circle of radius r: a tube thinner than the grid becomes a faint line that holds the same volume.
"""

import numpy as np

FALL_PER_MM2 = 4.0
"""b: a tube's edge is about 1/(2 b r) mm wide, and a thin tube's profile 1/sqrt(b) = 0.5 mm."""

STEP_MM = 0.5
"""Spacing of the points along a centre line."""

REACH = 3
"""Half side in mm of the box around a point in which its log-odds are drawn."""

OUTSIDE = -25.0
"""Log-odds of everything far from all tubes."""


def crest(radius_mm: np.ndarray) -> np.ndarray:
    """Log-odds on the centre line of tubes of ``radius_mm``, see above."""
    area = FALL_PER_MM2 * np.square(radius_mm)
    return area + np.log(-np.expm1(-area))


def draw_tubes(
    shape: tuple[int, int, int], points: np.ndarray, radius_mm: np.ndarray
) -> np.ndarray:
    """Log-odds (z, y, x) float32 of being inside any of the tubes.

    Args:
        shape: of the 1 mm grid.
        points: (n, 3) places of all centre lines, in voxels; those beyond the grid are left out.
        radius_mm: (n,) radius there.
    """
    field = np.full(shape, OUTSIDE, np.float32)
    offset = np.stack(np.meshgrid(*[np.arange(-REACH, REACH + 1)] * 3, indexing="ij"), -1)
    offset = offset.reshape(-1, 3)
    centre = np.round(points).astype(int)
    near = np.all((centre >= REACH) & (centre < np.array(shape) - REACH), axis=1)
    for some in np.array_split(np.flatnonzero(near), len(points) // 2000 + 1):
        index = centre[some, None] + offset
        squared = np.sum((index - points[some, None]) ** 2, axis=-1)
        odds = crest(radius_mm[some])[:, None] - FALL_PER_MM2 * squared
        np.maximum.at(field.reshape(-1), np.ravel_multi_index(np.moveaxis(index, -1, 0), shape),
                      np.maximum(odds, OUTSIDE).astype(np.float32))  # fmt: skip
    return field


def volume_ml(radius_mm: np.ndarray) -> float:
    """Volume of the tubes whose points, :data:`STEP_MM` apart, have these radii; overlaps twice."""
    return float(np.pi * np.sum(np.square(radius_mm)) * STEP_MM / 1000.0)


def lines(
    start: np.ndarray, direction: np.ndarray, bend: np.ndarray, length_mm: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Points of gently bent lines, and the number of the line that each belongs to.

    Args:
        start: (n, 3) voxels.
        direction: (n, 3) unit vectors.
        bend: (n, 3) curvature, per mm.
        length_mm: (n,).
    """
    steps = np.maximum(length_mm / STEP_MM, 1.0).astype(int)
    number = np.repeat(np.arange(len(start)), steps)
    first = np.repeat(np.cumsum(steps) - steps, steps)
    along = ((np.arange(len(number)) - first) * STEP_MM)[:, None]
    return start[number] + along * direction[number] + along**2 / 2 * bend[number], number


def walks(
    rng: np.random.Generator, start: np.ndarray, room_mm: np.ndarray, *, steps: int
) -> tuple[np.ndarray, np.ndarray]:
    """Walks that wind through the middle of what has room, until there is none.

    Every step goes where, of :data:`CHOICES` directions near the last one, most room lies ahead.

    Args:
        rng: source of randomness.
        start: (n, 3) voxels.
        room_mm: (z, y, x) distance to the walls, 0 in them.
        steps: at most, of :data:`STEP_MM`.

    Returns:
        (k, 3) points in voxels, and (k,) the number of the walk that each belongs to.
    """
    place, number = start.astype(float), np.arange(len(start))
    heading = _unit(rng.standard_normal(start.shape))
    points, owners = [place], [number]
    for _ in range(steps):
        choice = _unit(heading[:, None] + TURN * rng.standard_normal((len(place), CHOICES, 3)))
        ahead = _at(room_mm, place[:, None] + LOOK_MM * choice)
        best = np.take_along_axis(choice, ahead.argmax(axis=1)[:, None, None], axis=1)[:, 0]
        place, going = place + STEP_MM * best, ahead.max(axis=1) > 0
        place, heading, number = place[going], best[going], number[going]
        points.append(place)
        owners.append(number)
    return np.concatenate(points), np.concatenate(owners)


CHOICES, TURN, LOOK_MM = 6, 0.35, 1.0
"""Directions to choose from; how far they stray from the last; how far ahead a walk looks."""


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9)


def _at(field: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Values of the voxels that hold ``points`` (..., 3), 0 beyond the grid."""
    index = np.round(points).astype(int)
    inside = np.all((index >= 0) & (index < np.array(field.shape)), axis=-1)
    index = np.where(inside[..., None], index, 0)
    return np.where(inside, field[tuple(np.moveaxis(index, -1, 0))], 0)
