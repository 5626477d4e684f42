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
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from PIL import Image

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from data_tools.cohort_report import figures  # noqa: E402 (found by the path above)
from data_tools.cohort_report.numbers import (  # noqa: E402
    SimulatedSubject,
    fast_on_routine,
    methods_of,
    read_subject,
)
from qsr_jax.maps import MAPS  # noqa: E402
from qsr_jax.physics.synthetic_contrast import SEQUENCES, weighted  # noqa: E402

OUT = HERE / "gallery"
FROM_EXAMPLE = ("forest_t1", "bland_altman_t1_fast", "regression_t1_fast")
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
    for name in FROM_EXAMPLE:
        made = work / "agreement_of_my_values" / "agreement" / f"{name}.png"
        (OUT / f"{name}.png").write_bytes(made.read_bytes())
    patient = read_subject(cohort / "sub-002")
    z = int(np.argmax((patient.truth.lesions > 0).sum(axis=(1, 2))))
    _save("maps", figures.draw_slices(_maps(patient, z)))
    _save("labels", _png(_labels(patient.truth.tissue[z])))
    _save("contrasts", _png(_contrasts(patient.truth.maps[z])))


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
