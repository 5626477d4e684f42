"""Subjects from T2-weighted images: real anatomy and real texture, with values that are drawn.

Nothing is measured in a weighted image, but from white over grey matter to water its brightness
rises as T1, T2 and PD do. Every subject draws a rising curve for each of them, so that one image
makes many heads, none of which has the values of a person. What lies below the image's resolution
is unknown: the scan has to be coarser, see :attr:`WeightedImage.finest_mm`.
"""

import dataclasses

import numpy as np
from scipy import ndimage

from qsr_jax.maps import MAPS
from qsr_jax.phantom.anatomy import Body
from qsr_jax.phantom.grid import Planes
from qsr_jax.phantom.measured_density import DensityScale
from qsr_jax.phantom.measured_maps import VOXELS_PER_PIXEL, MeasuredMaps, brain_of
from qsr_jax.phantom.random_fields import texture_of
from qsr_jax.phantom.tissue_values import draw_subject
from qsr_jax.phantom.wide_draws import draw_remap, widen_values

HEAD_FRACTION, SCALP_MM, FIELD_MM = 0.15, 18.0, 35.0
"""Brightness of the head over that of the brightest 1 %; depth below which there is brain alone;
width (sigma) of the receive field that is divided out, by the brain's own brightness."""

FIELD_RANGE = 0.7
"""Log brightness about the median that is taken as tissue when the field is estimated."""

LEAST_TISSUE, APART = 0.05, (1.12, 1.29)
"""Part of the usual brightness, or of water, below which there is none; least brightness of grey
over white matter and of water over grey."""

FIRST_GUESS, ROUNDS, SAMPLES = (25, 60, 97), 60, 50_000
"""Percentiles of the brain at which white, grey and water are first looked for; steps of the
expectation maximisation, and how many voxels it looks at."""

VOID, SOLID = 0.12, 0.47
"""Brightness over white matter's below which there is no water, and above which all is tissue."""

DARK, DARK_FACTOR = 0.35, (0.5, 0.9)
"""Brightness over white matter's of the darkest tissue (iron, fibres), and the factor on white
matter's T1 and T2 there."""

BETWEEN = (0.3, 0.7)
"""Where between the values of grey matter and water, as logarithms, half way in brightness is."""

GRAIN_MM = (1.5, 4.0)
"""Correlation lengths (sigma) of what T1, T2 and PD have each of their own."""

GRAIN = (0.03, 0.08, 0.03)
"""Largest spread of it in T1, T2 and PD, relative. Our choice, like every range here."""


@dataclasses.dataclass(frozen=True)
class WeightedImage:
    """A head's T2-weighted image, its receive field divided out.

    Attributes:
        brightness: (i, j, k) float32.
        affine: (4, 4) from index to RAS mm.
        head: (i, j, k) bool.
        levels: brightness of white matter, grey matter and water, rising.
    """

    brightness: np.ndarray
    affine: np.ndarray
    head: np.ndarray
    levels: tuple[float, float, float]

    @property
    def finest_mm(self) -> float:
        """Shortest acquired pixel for which this image knows enough; planes have 1 mm."""
        in_plane = np.sort(np.linalg.norm(self.affine[:3, :3], axis=0))[:2]
        return VOXELS_PER_PIXEL * max(1.0, float(in_plane.max()))

    def body(self, rng: np.random.Generator, planes: Planes) -> Body:
        """One subject with this anatomy and values of its own."""
        values, grain = rng.spawn(2)
        maps, traits = self._drawn_maps(values)
        borders_ms = [
            float(np.sqrt(traits[f"{low}_t1"] * traits[f"{high}_t1"]))
            for low, high in (("white", "grey"), ("grey", "water"))
        ]
        brain = brain_of(maps, self.affine)
        places = np.argwhere(brain) @ self.affine[:3, :3].T + self.affine[:3, 3]
        centre_mm = (places.min(axis=0) + places.max(axis=0)) / 2
        density = DensityScale(1.0, traits["white_pd"], 0.0)
        water_t2_ms = float(np.sqrt(traits["grey_t2"] * traits["water_t2"]))
        borders = (borders_ms[0], borders_ms[1])
        head = MeasuredMaps(maps, self.affine, brain, centre_mm, density, borders, water_t2_ms)
        body = head.body(rng, planes)
        assert body.maps is not None
        return dataclasses.replace(body, maps=_with_grain(grain, body.maps, planes), traits=traits)

    def _drawn_maps(self, rng: np.random.Generator) -> tuple[np.ndarray, dict[str, float]]:
        """(i, j, k, 3) T1 ms, T2 ms, PD %, 0 outside the head; and what was drawn."""
        drawn = widen_values(rng, draw_subject(rng), draw_remap(rng))
        white, grey, water = (drawn[name] for name in ("white", "cortex", "csf"))
        between = rng.uniform(*BETWEEN, 3)
        dark = white * np.append(rng.uniform(*DARK_FACTOR, 2), 1.0)
        middle = np.exp((1.0 - between) * np.log(grey) + between * np.log(water))
        curve = np.log([dark, white, grey, middle, water])
        at = self.levels
        places = np.log([DARK * at[0], at[0], at[1], (at[1] + at[2]) / 2, at[2]])
        bright = np.log(np.maximum(self.brightness, 1e-3 * at[0]))
        maps = np.stack([np.exp(np.interp(bright, places, c)) for c in curve.T], axis=-1)
        solid = np.clip((self.brightness / at[0] - VOID) / (SOLID - VOID), 0.0, 1.0)
        maps[..., 2] *= solid
        known = self.head & (solid > LEAST_TISSUE)
        traits = {
            f"{name}_{spec.name}": float(values[index])
            for name, values in (("white", white), ("grey", grey), ("water", water))
            for index, spec in enumerate(MAPS.values())
        }
        return np.where(known[..., None], maps, 0.0).astype(np.float32), traits


def _with_grain(rng: np.random.Generator, maps: np.ndarray, planes: Planes) -> np.ndarray:
    """Maps (z, 3, m, m) that do not follow one another to the last voxel, in range."""
    grained = []
    for index, (spec, most) in enumerate(zip(MAPS.values(), GRAIN, strict=True)):
        amount = rng.uniform(0.0, most)
        field = texture_of(rng, planes, sigma_mm=float(rng.uniform(*GRAIN_MM)))
        factor = np.exp(np.clip(amount * field, -3 * amount, 3 * amount))
        grained.append(np.minimum(maps[:, index] * factor, spec.scanner_max))
    return np.stack(grained, axis=1).astype(np.float32)


def weighted_image(image: np.ndarray, affine: np.ndarray, *, where: str) -> WeightedImage:
    """A head from its T2-weighted image.

    Args:
        image: (i, j, k) brightness of any scale, with the scalp; slices along k, axial.
        affine: (4, 4) from index to RAS mm.
        where: what it belongs to; opens the error messages.

    Raises:
        ValueError: not a volume, negative or unknown values, no head in it, or white matter, grey
            matter and water cannot be told apart.
    """
    if image.ndim != 3 or not np.isfinite(image).all() or image.min() < 0 or not image.any():
        raise ValueError(
            f"{where}: expected a volume (i, j, k) of brightness, none of it negative or unknown; "
            f"got shape {image.shape} and values {np.nanmin(image):g} to {np.nanmax(image):g}"
        )
    spacing_mm = np.linalg.norm(affine[:3, :3], axis=0)
    head = _head(image)
    if not head.any():
        raise ValueError(f"{where}: nothing in it is as large as a head; a T2-weighted image?")
    inner = head & (image > LEAST_TISSUE * np.percentile(image[head], 95))
    core = inner & (_depth_mm(head, spacing_mm) > SCALP_MM)
    if not core.any():
        raise ValueError(f"{where}: nothing lies {SCALP_MM:g} mm deep in the head; the whole head?")
    flat = image / _receive_field(image, core, spacing_mm)
    levels = _levels(flat[core])
    if levels[1] < APART[0] * levels[0] or levels[2] < APART[1] * levels[1]:
        raise ValueError(
            f"{where}: white matter, grey matter and water must rise in brightness, as in a "
            f"T2-weighted image of fluid, flesh and fibres; found {np.round(levels, 1).tolist()}"
        )
    return WeightedImage(flat.astype(np.float32), affine, head, levels)


def _head(image: np.ndarray) -> np.ndarray:
    bright = ndimage.binary_closing(image > HEAD_FRACTION * np.percentile(image, 99), iterations=3)
    filled = np.stack([ndimage.binary_fill_holes(s) for s in np.moveaxis(bright, 2, 0)], axis=2)
    labels, count = ndimage.label(filled)
    if not count:
        return np.zeros(image.shape, bool)
    return labels == 1 + np.argmax(np.bincount(labels.ravel())[1:])


def _depth_mm(mask: np.ndarray, spacing_mm: np.ndarray) -> np.ndarray:
    """Distance to what is outside, in the slice."""
    parts = [ndimage.distance_transform_edt(s, spacing_mm[:2]) for s in np.moveaxis(mask, 2, 0)]
    return np.stack(parts, axis=2)


def _receive_field(image: np.ndarray, core: np.ndarray, spacing_mm: np.ndarray) -> np.ndarray:
    """Smooth factor, 1 at the median of the brain."""
    log = np.log(np.maximum(image, 1e-6 * image.max()))
    usual = np.median(log[core])
    taken = core & (np.abs(log - usual) < FIELD_RANGE)
    sigma = FIELD_MM / spacing_mm
    weight = ndimage.gaussian_filter(taken.astype(np.float32), sigma)
    smooth = ndimage.gaussian_filter(np.where(taken, log - usual, 0.0).astype(np.float32), sigma)
    return np.exp(smooth / np.maximum(weight, 1e-3))


def _levels(values: np.ndarray) -> tuple[float, float, float]:
    """Brightness of white matter, grey matter and water: three normal laws, and the brightest."""
    ordered = np.sort(values)
    sample = ordered[:: max(1, len(ordered) // SAMPLES), None]
    mean = np.percentile(ordered, FIRST_GUESS)
    spread, share = np.array([0.1, 0.15, 0.3]) * mean, np.full(3, 1 / 3)
    for _ in range(ROUNDS):
        density = share * np.exp(-0.5 * ((sample - mean) / spread) ** 2) / spread
        part = density / np.maximum(density.sum(axis=1, keepdims=True), 1e-30)
        count = np.maximum(part.sum(axis=0), 1e-9)
        share, mean = count / count.sum(), (part * sample).sum(axis=0) / count
        spread = np.sqrt((part * (sample - mean) ** 2).sum(axis=0) / count) + 1e-9 * mean
    white, grey, water = mean.tolist()
    return white, grey, max(water, float(np.percentile(ordered, 99.5)))
