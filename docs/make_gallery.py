"""Draws the pictures of the gallery anew, from simulated subjects and the package itself.

python docs/make_gallery.py WORK     about two minutes; WORK keeps the subjects for the next time
"""

import io
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import jax.numpy as jnp
import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from PIL import Image

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

import qsr_jax  # noqa: E402 (found by the path above)
from data_tools.cohort_report import figures  # noqa: E402
from data_tools.cohort_report.numbers import (  # noqa: E402
    SimulatedSubject,
    fast_on_routine,
    methods_of,
    read_subject,
)
from qsr_jax.data.studies.case import load_case  # noqa: E402
from qsr_jax.data.studies.manifest import Manifest  # noqa: E402
from qsr_jax.evaluation.measure.example_slices import Example, example_slice  # noqa: E402
from qsr_jax.maps import MAPS, spec_of  # noqa: E402
from qsr_jax.physics.synthetic_contrast import SEQUENCES, weighted  # noqa: E402
from qsr_jax.predictors.interpolation import interpolator  # noqa: E402
from qsr_jax.statistics.moments import LIMIT_Z  # noqa: E402

OUT = HERE / "gallery"
FROM_EXAMPLE = "verdicts_fast.svg"
TISSUES = (
    "background",
    "CSF",
    "GM",
    "WM",
    "lesion",
    "fat, marrow",
    "muscle",
    "skin",
    "bone, blood",
)


def main(work: Path) -> None:
    """Simulates a healthy subject and a patient, runs an example, and draws."""
    OUT.mkdir(exist_ok=True)
    qsr = [sys.executable, "-m", "qsr_jax"]
    cohort = work / "cohort"
    subjects = ["--subjects", "1", "--patients", "1", "--seed", "7", "--no-noiseless"]
    subprocess.run([*qsr, "simulate", "--out", str(cohort), *subjects], check=True)
    example = HERE.parent / "examples" / "agreement_of_my_values.py"
    subprocess.run([sys.executable, str(example)], cwd=work, check=True)
    made = work / "agreement_of_my_values" / "agreement" / FROM_EXAMPLE
    (OUT / FROM_EXAMPLE).write_bytes(made.read_bytes())
    patient = read_subject(cohort / "sub-002")
    z = int(np.argmax((patient.truth.lesions > 0).sum(axis=(1, 2))))
    _save("maps", figures.draw_slices(_maps(patient, z)))
    _save("labels", _png(_labels(patient.truth.tissue[z])))
    _save("contrasts", _png(_contrasts(patient.truth.maps[z])))
    (HERE / "t1.png").write_bytes(_png(_t1_of_default(_still_patient(qsr, work))))


def _still_patient(qsr: list[str], work: Path) -> Example:
    """The slice with most lesion of a patient who lay still, with what `default` makes of it."""
    cohort, manifest = work / "still", work / "still.json"
    subjects = ["--subjects", "0", "--patients", "1", "--seed", "7", "--no-noiseless"]
    still = ["--pose-mm", "0", "--pose-deg", "0"]
    subprocess.run([*qsr, "simulate", "--out", str(cohort), *subjects, *still], check=True)
    pairing = ["--dicom", str(cohort), "--out", str(manifest), "--test-fraction", "1"]
    subprocess.run([*qsr, "pair", *pairing], check=True)
    listed = Manifest.load(manifest)
    case = load_case(listed, listed.subjects[0])
    made = {
        "bicubic": interpolator(scale=2, alignment="corner", method="cubic")(case.fast),
        "trained": qsr_jax.load_predictor("default")(case.fast),
    }
    return example_slice(case, made)


def _t1_of_default(example: Example) -> Figure:
    """Above T1, below the errors against the truth and what the model says of its own."""
    images, spec = example.images["t1"], spec_of("t1")
    above = {"fast scan, 2 min": "fast", "default": "trained", "routine scan, 5 min": "routine",
             "truth": "truth"}  # fmt: skip
    below = {f"{name} − truth": images[name if name != "default" else "trained"] - images["truth"]
             for name in ("bicubic", "default", "routine")}  # fmt: skip
    below["default: half width of 95 %"] = LIMIT_Z * example.stds["t1"]
    rows, columns = (np.flatnonzero(example.mask.any(axis)) for axis in (1, 0))
    figure = Figure(figsize=(11, 5.6), layout="constrained")
    axes = figure.subplots(2, 4)
    for ax, (title, method) in zip(axes[0], above.items(), strict=True):
        shown = _inside(ax, images[method], example, cmap="gray", window=spec.display_window)
        ax.set_title(title)
    figure.colorbar(shown, ax=axes[0, -1], label="T1 (ms)", extend="max")
    half = spec.error_window
    for ax, (title, image) in zip(axes[1], below.items(), strict=True):
        shown = _inside(ax, image, example, cmap="PuOr_r", window=(-half, half))
        ax.set_title(title)
        if example.lesion is not None:
            ax.contour(*(np.arange(n) + 0.5 for n in example.mask.shape[::-1]), example.lesion,
                       [0.5], colors="black", linewidths=0.7)  # fmt: skip
    figure.colorbar(shown, ax=axes[1, -1], label="error (ms)", extend="both")
    for ax in axes.flat:
        ax.set(xlim=(columns[0] - 8, columns[-1] + 8), ylim=(rows[-1] + 8, rows[0] - 8))
    return figure


def _inside(
    ax: Axes, image: np.ndarray, example: Example, *, cmap: str, window: tuple[float, float]
) -> AxesImage:
    """Draws an image of either grid inside the brain."""
    step = example.mask.shape[0] // image.shape[0]
    shown = np.where(example.mask[::step, ::step], image, np.nan)
    extent = (0, example.mask.shape[1], example.mask.shape[0], 0)
    ax.set(xticks=[], yticks=[], facecolor="black" if cmap == "gray" else "white")
    return ax.imshow(shown, cmap=cmap, vmin=window[0], vmax=window[1], extent=extent,
                     interpolation="nearest")  # fmt: skip


def _maps(subject: SimulatedSubject, z: int) -> dict[str, dict[str, np.ndarray]]:
    """Column to map to (y, x) of one slice."""
    columns = {"fast scan": fast_on_routine(subject), **methods_of(subject)}
    return {
        title: {name: maps[z, ..., i] for i, name in enumerate(MAPS)}
        for title, maps in columns.items()
    }


def _labels(tissue: np.ndarray) -> Figure:
    figure = Figure(figsize=(5.2, 3.8), layout="constrained")
    ax = figure.subplots()
    colours = ListedColormap(["black", *matplotlib.colormaps["tab10"].colors[: len(TISSUES) - 1]])
    shown = ax.imshow(tissue, cmap=colours, vmin=-0.5, vmax=len(TISSUES) - 0.5)
    ax.set(xticks=[], yticks=[])
    bar = figure.colorbar(shown, ticks=range(len(TISSUES)))
    bar.ax.set_yticklabels(TISSUES)
    return figure


def _contrasts(maps: np.ndarray) -> Figure:
    """Weighted images of one slice's true maps (y, x, 3)."""
    t1, t2, pd = (jnp.asarray(maps[..., i]) for i in range(3))
    images: Mapping[str, np.ndarray] = {
        sequence.label: np.asarray(weighted(t1, t2, pd, sequence))
        for sequence in SEQUENCES.values()
    }
    figure = Figure(figsize=(10.4, 1.9), layout="constrained")
    for ax, (label, image) in zip(figure.subplots(1, len(images)), images.items(), strict=True):
        low = float(image.min())
        ax.imshow(image, cmap="gray", vmin=low, vmax=float(np.percentile(image, 99.5)))
        ax.set(xticks=[], yticks=[], title=label)
    return figure


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=90)
    return buffer.getvalue()


def _save(name: str, png: bytes) -> None:
    """Small: the pictures travel with the code."""
    Image.open(io.BytesIO(png)).convert("RGB").save(OUT / f"{name}.jpg", quality=85)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    work = Path(sys.argv[1]).absolute()
    work.mkdir(parents=True, exist_ok=True)
    main(work)
