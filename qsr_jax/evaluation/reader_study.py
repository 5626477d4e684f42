"""Blinded pairs for readers: pictures and a form in one folder, the key in another.

Every picture holds one slice of one map twice, left and right, one by each of two methods, both on
the routine grid and in the same window. Sides, order and names are drawn by a seed that stands in
the key alone; a part of the pairs comes twice with sides changed, so that readers can be held
against themselves. Nothing in the readers' folder tells a method: the file names are numbers, the
pictures carry no text, and both sides are pixels of one image.
"""

import csv
import dataclasses
import io
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import numpy as np
from matplotlib.image import imsave

from qsr_jax.anatomy.label_means import nearest_on
from qsr_jax.data.studies.case import Case, load_case
from qsr_jax.data.studies.manifest import FAST, ROUTINE
from qsr_jax.evaluation.measure.image_quality import brain_mask
from qsr_jax.evaluation.trainings import Run
from qsr_jax.evaluation.values import BICUBIC, TRAINED
from qsr_jax.files.staged import staged_folder
from qsr_jax.maps import spec_of
from qsr_jax.predictors.interpolation import interpolator

METHODS = (FAST, BICUBIC, TRAINED, ROUTINE)
"""What may be shown to readers."""
READERS, KEY = "readers", "key"
FORM, KEY_FILE = "form.csv", "key.csv"
GAP = 16
"""Black pixels between the two sides."""
REPEATED = 0.1
"""Part of the pairs that comes twice, at least one."""
ANSWERS = ("left", "right", "equal")
QUESTIONS = ("better", "confidence_1_to_5", "lesion_seen_left", "lesion_seen_right", "remark")
"""Columns of the form to fill; ``better`` takes one of :data:`ANSWERS`."""


@dataclasses.dataclass(frozen=True)
class Pair:
    """One picture: which slice of which map, and who stands where."""

    subject: str
    map: str
    slice: int
    left: str
    right: str
    again: bool


def make_study(
    runs: Sequence[Run], *, out: Path, pair: tuple[str, str], slices: int, seed: int
) -> int:
    """Writes ``out/readers`` and ``out/key``; the folder appears whole or not at all.

    Args:
        runs: trainings, each with the subjects it tests on; a subject is shown once, by the first.
        out: folder to make.
        pair: two of :data:`METHODS`.
        slices: of each subject and map.
        seed: of sides, order and repetitions.

    Returns:
        The number of pictures.

    Raises:
        ValueError: unknown or equal methods, or no slice asked for.
        FileExistsError: ``out`` is there already.
        WriteError: the disk refused.
    """
    if len({*pair} & {*METHODS}) != 2 or slices < 1:
        raise ValueError(
            f"methods {' and '.join(pair)}, {slices} slices: expected two different of "
            f"{', '.join(METHODS)}, and 1 slice or more"
        )
    rng = np.random.default_rng(seed)
    shown: dict[Pair, bytes] = {}
    seen: set[str] = set()
    for run in runs:
        for subject in run.subjects:
            if subject.subject not in seen:
                seen.add(subject.subject)
                shown |= _pairs_of(load_case(run.manifest, subject), run, pair, slices, rng)
    order = [list(shown)[i] for i in rng.permutation(len(shown))]
    with staged_folder(out) as folder:
        _write(folder, order, shown, seed)
    return len(order)


def _pairs_of(
    case: Case, run: Run, pair: tuple[str, str], slices: int, rng: np.random.Generator
) -> dict[Pair, bytes]:
    """Every pair of one subject, and its picture; some come again with sides changed."""
    images = _images(case, run, pair)
    found: dict[Pair, bytes] = {}
    for name in images[pair[0]]:
        for index in slices_of(case, slices):
            sides = [pair[i] for i in rng.permutation(2)]
            again = rng.random() < REPEATED
            for left, right in [sides, sides[::-1]] if again else [sides]:
                one = Pair(case.subject, name, index + 1, left, right, [left, right] != sides)
                found[one] = picture(images[left][name][index], images[right][name][index], name)
    return found


def _images(case: Case, run: Run, pair: tuple[str, str]) -> dict[str, dict[str, np.ndarray]]:
    """Method to map to (z, y, x) on the routine grid, of the maps that were trained."""
    trained = run.trained(case.fast)
    volumes = {ROUTINE: (case.routine.maps, case.routine.names), TRAINED: (trained.mean,
               trained.names)}  # fmt: skip
    if FAST in pair:
        volumes[FAST] = nearest_on(case.fast, case.routine.geometry), case.fast.names
    if BICUBIC in pair:
        scale, alignment = run.manifest.scale, case.grid_alignment
        made = interpolator(scale=scale, alignment=alignment, method="cubic")(case.fast)
        volumes[BICUBIC] = made.mean, made.names
    return {
        method: {name: volumes[method][0][..., volumes[method][1].index(name)]
                 for name in trained.names}
        for method in pair
    }  # fmt: skip


def slices_of(case: Case, count: int) -> list[int]:
    """Slices to show: those with most lesion first, then evenly over the brain; in order."""
    area = brain_mask(case).sum((1, 2))
    there = np.flatnonzero(area >= 0.5 * area.max())
    even = there[np.linspace(0, len(there) - 1, count).round().astype(int)].tolist()
    chosen: list[int] = []
    if case.truth is not None and case.truth.lesions.any():
        marked = (case.truth.lesions > 0).sum((1, 2))
        chosen = [int(i) for i in np.argsort(-marked, kind="stable")[: (count + 1) // 2]
                  if marked[i]]  # fmt: skip
    return sorted(list(dict.fromkeys([*chosen, *even]))[:count])


def picture(left: np.ndarray, right: np.ndarray, name: str) -> bytes:
    """PNG of two images side by side in the window of their map, without any text inside."""
    low, high = spec_of(name).display_window
    gap = np.full((left.shape[0], GAP), low, left.dtype)
    buffer, no_words = io.BytesIO(), cast(dict[str, str], {"Software": None})
    both = np.concatenate([left, gap, right], axis=1)
    imsave(buffer, both, vmin=low, vmax=high, cmap="gray", format="png", metadata=no_words)
    return buffer.getvalue()


def _write(folder: Path, order: Sequence[Pair], shown: dict[Pair, bytes], seed: int) -> None:
    readers, key = folder / READERS, folder / KEY
    for part in (readers, key):
        part.mkdir()
    names = [f"case-{i:04d}.png" for i in range(1, len(order) + 1)]
    for name, one in zip(names, order, strict=True):
        (readers / name).write_bytes(shown[one])
    with (readers / FORM).open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(("picture", "map", *QUESTIONS))
        rows.writerows((n, spec_of(o.map).label, *[""] * len(QUESTIONS))
                       for n, o in zip(names, order, strict=True))  # fmt: skip
    with (key / KEY_FILE).open("w", newline="", encoding="utf-8") as file:
        fields = [field.name for field in dataclasses.fields(Pair)]
        rows = csv.writer(file)
        rows.writerow(("picture", *fields))
        rows.writerows((n, *dataclasses.astuple(o)) for n, o in zip(names, order, strict=True))
    about = {"seed": seed, "answers": ANSWERS, "software": "qsr_jax"}
    (key / "about.json").write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")


@dataclasses.dataclass(frozen=True)
class Preference:
    """What readers preferred in one map.

    Attributes:
        map: key of :data:`qsr_jax.maps.MAPS`.
        preferred: method to pictures in which it was called better; "equal" among them.
        pictures: answered, repetitions left out.
        consistent: repeated pairs answered alike both times, and repeated pairs answered twice.
    """

    map: str
    preferred: dict[str, int]
    pictures: int
    consistent: tuple[int, int]


def solve(form: Path, key: Path) -> list[Preference]:
    """Holds a filled form against the key.

    Args:
        form: filled by one reader; empty answers are left out.
        key: made with it.

    Raises:
        ValueError: a picture that is not in the key, or an answer that is none.
    """
    sides = {row["picture"]: row for row in _read(key)}
    chosen: dict[tuple[str, str, str], dict[bool, str]] = {}
    for row in _read(form):
        answer = (row.get("better") or "").strip().lower()
        if not answer:
            continue
        if row["picture"] not in sides or answer not in ANSWERS:
            raise ValueError(
                f"{form}: {row['picture']} is {answer!r}; expected pictures of {key} and one of "
                f"{', '.join(ANSWERS)}"
            )
        one = sides[row["picture"]]
        which = chosen.setdefault((one["map"], one["subject"], one["slice"]), {})
        which[one["again"] == "True"] = one.get(answer, answer)
    found = []
    for name in dict.fromkeys(place[0] for place in chosen):
        mine = [which for place, which in chosen.items() if place[0] == name]
        twice = [which for which in mine if len(which) == 2]
        first = Counter(which[False] for which in mine if False in which)
        alike = sum(which[False] == which[True] for which in twice)
        found.append(Preference(name, dict(first), first.total(), (alike, len(twice))))
    return found


def _read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        return list(csv.DictReader(file))
