"""Pictures as PNG bytes: maps and their errors, in windows that never move.

Errors diverge from orange to purple, readable when colour-blind.
"""

import io
from collections.abc import Sequence

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from PIL import Image
from scipy.spatial import KDTree

from qsr_jax.data.studies.manifest import FAST, ROUTINE
from qsr_jax.evaluation.measure.example_slices import Example
from qsr_jax.evaluation.measure.synthetic_contrast import SHOWN, weighted_images
from qsr_jax.evaluation.values import BICUBIC, TRAINED, TRUTH
from qsr_jax.formats.plots import STYLE
from qsr_jax.maps import MAPS, spec_of
from qsr_jax.physics.synthetic_contrast import SEQUENCES
from qsr_jax.statistics.moments import LIMIT_Z

WEIGHTED_WINDOW: dict[str, tuple[float, float]] = {
    "t1w": (5, 35),
    "t2w": (0, 60),
    "flair": (0, 35),
}
"""Grey-scale window of each weighted image, percent of the signal of fully relaxed water."""

SEEN, WEIGHTED = (FAST, TRAINED, ROUTINE), (FAST, TRAINED, ROUTINE, BICUBIC)
"""Methods whose maps, and whose weighted images, are shown."""
ERRORS = ((BICUBIC, ROUTINE), (TRAINED, ROUTINE), (ROUTINE, TRUTH))
"""Bicubic stands for fast, which has no pixel where a routine pixel is."""

WIDTH_INCH, DOTS_PER_INCH = 10.4, 144
ERROR_COLOURS, GREYS = "PuOr_r", "gray"

SHADES = 128
"""Greys, and as many error colours, of a picture: a third of the bytes of all, and no bands."""


def _palette() -> np.ndarray:
    """(256, 3) uint8: greys from black to white, then the error colours."""
    steps = np.linspace(0.0, 1.0, SHADES)
    shades = (matplotlib.colormaps[name](steps, bytes=True) for name in (GREYS, ERROR_COLOURS))
    return np.concatenate(list(shades))[:, :3]


def _indexed(pixels: np.ndarray, palette: np.ndarray) -> np.ndarray:
    """(y, x, 3) to (y, x) uint8 nearest entries; greys stay greys, black and white stay exact."""
    grey = np.ptp(pixels, axis=-1) == 0
    index = np.round(pixels[..., 0] * ((SHADES - 1) / 255.0)).astype(np.uint8)
    codes, which = np.unique(pixels[~grey] @ np.array([1 << 16, 1 << 8, 1]), return_inverse=True)
    colours = np.stack([codes >> 16, codes >> 8 & 255, codes & 255], axis=-1)
    index[~grey] = KDTree(palette).query(colours)[1][which]
    return index


def png(figure: Figure) -> bytes:
    """A figure as PNG of few colours: greys, and those of errors."""
    canvas = FigureCanvasAgg(figure)
    figure.set_dpi(DOTS_PER_INCH)
    canvas.draw()
    palette = _palette()
    image = Image.fromarray(_indexed(np.asarray(canvas.buffer_rgba())[..., :3], palette), "P")
    image.putpalette(palette.tobytes())
    buffer = io.BytesIO()
    image.save(buffer, "png", optimize=True)
    return buffer.getvalue()


def pictures(example: Example, names: Sequence[str]) -> bytes:
    """PNG of one slice, a line per map: fast, trained and routine, then the signed errors.

    Lesions, where labelled, are outlined in the errors. The routine map's own error is against the
    truth, and left out where nobody knows the truth.
    """
    columns = 6 if TRUTH in example.images[names[0]] else 5
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH_INCH, 0.2 + 1.6 * len(names)), layout="constrained")
        for line, name in zip(
            figure.subplots(len(names), columns, squeeze=False), names, strict=True
        ):
            _map_line(figure, line, example, name)
        return png(figure)


def _map_line(figure: Figure, line: Sequence[Axes], example: Example, name: str) -> None:
    spec, images = spec_of(name), example.images[name]
    (low, high), half = spec.display_window, spec.error_window
    for axes, method in zip(line, SEEN, strict=False):
        shown = _show(axes, images[method], example, cmap=GREYS, vmin=low, vmax=high)
        axes.set_facecolor("black")
        axes.set_title(f"{method} {spec.label}")
    figure.colorbar(shown, ax=line[len(SEEN) - 1], label=spec.unit, extend="max")
    for axes, (test, reference) in zip(line[len(SEEN) :], ERRORS, strict=False):
        error = images[test] - images[reference]
        errors = _show(axes, error, example, cmap=ERROR_COLOURS, vmin=-half, vmax=half)
        axes.set_title(f"{test} − {reference}")
        if example.lesion is not None and example.lesion.any():
            down, across = (np.arange(size) + 0.5 for size in example.mask.shape)
            axes.contour(across, down, example.lesion, [0.5], colors="black", linewidths=0.8)
    figure.colorbar(errors, ax=line[-1], label=spec.unit, extend="both")


def weighted_pictures(example: Example) -> bytes:
    """PNG of one slice: T1w, T2w and FLAIR computed from the maps of every method."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH_INCH, 6.6), layout="constrained")
        rows = figure.subplots(len(SHOWN), len(WEIGHTED))
        for column, method in zip(rows.T, WEIGHTED, strict=True):
            maps = np.stack([example.images[name][method] for name in MAPS], axis=-1)
            images = np.asarray(weighted_images(maps))
            for i, (name, axes) in enumerate(zip(SHOWN, column, strict=True)):
                low, high = WEIGHTED_WINDOW[name]
                shown = _show(axes, images[..., i], example, cmap=GREYS, vmin=low, vmax=high)
                axes.set_facecolor("black")
                axes.set_title(f"{SEQUENCES[name].label} from {method}")
                if method == ROUTINE:
                    figure.colorbar(shown, ax=rows[i, :], label="signal (%)", extend="max")
        return png(figure)


def spread_pictures(example: Example, names: Sequence[str]) -> bytes:
    """PNG of one slice, a line per map: error, half width of the 95 % interval, and their ratio.

    Error and half width share a window and its colours, so that they can be compared by eye; beyond
    1 the ratio's colours are those of an error that the interval does not hold.
    """
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(0.6 * WIDTH_INCH, 0.2 + 1.7 * len(names)), layout="constrained")
        lines = figure.subplots(len(names), 3, squeeze=False)
        for line, name in zip(lines, names, strict=True):
            spec, images = spec_of(name), example.images[name]
            half = LIMIT_Z * example.stds[name]
            error = images[TRAINED] - images[example.std_against]
            said = f"{TRAINED} − {example.std_against}, {spec.label}"
            windows = (spec.error_window, spec.error_window, 2.0)
            shown = (error, half, error / np.maximum(half, np.finfo(np.float32).tiny))
            titles = (said, "half width of 95 %", "error / half width")
            for axes, image, window, title in zip(line, shown, windows, titles, strict=True):
                drawn = _show(axes, image, example, cmap=ERROR_COLOURS, vmin=-window, vmax=window)
                axes.set_title(title)
                figure.colorbar(drawn, ax=axes, label="" if window == 2.0 else spec.unit)
        return png(figure)


def _show(
    axes: Axes, image: np.ndarray, example: Example, *, cmap: str, vmin: float, vmax: float
) -> AxesImage:
    """Draws an image over the common field of view, cropped to the head and empty in air.

    Maps are noise in air. An image on the coarser grid reads every k-th voxel of the mask.
    """
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
    height, width = example.mask.shape
    step = height // image.shape[0]
    image = np.where(example.mask[::step, ::step], image, np.nan)
    shown = axes.imshow(image, extent=(0, width, height, 0), interpolation="nearest", cmap=cmap,
                        vmin=vmin, vmax=vmax)  # fmt: skip
    rows, columns = (np.flatnonzero(example.mask.any(axis)) for axis in (1, 0))
    pad = 0.02 * width
    axes.set_xlim(max(columns[0] - pad, 0), min(columns[-1] + pad, width))
    axes.set_ylim(min(rows[-1] + pad, height), max(rows[0] - pad, 0))
    return shown
