"""Heads whose maps are known: simulated subjects and measured heads, found, named and read."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from data_tools.anatomy_files import SIDECAR, measured_heads, read_measured
from qsr_jax.data.dicom.orientation import canonical_signs, turned
from qsr_jax.data.nifti.stack import stack_geometry
from qsr_jax.data.studies.manifest import HEALTHY
from qsr_jax.data.studies.pseudonyms import read_groups
from qsr_jax.data.studies.split import Shares, split_subjects
from qsr_jax.data.studies.truth import TRUTH_JSON, read_truth, truth_geometry
from qsr_jax.files.digest import file_sha256, text_sha256
from qsr_jax.files.journal import files_sha256
from qsr_jax.ops.mask import LEAST_T1_MS
from qsr_jax.phantom.measured_maps import MeasuredMaps
from qsr_jax.simulate.weighted_records import KnownHead

SIMULATED, MEASURED = "simulated", "measured"
PARTICIPANTS = "participants.tsv"
FINER = 2
"""Pixels of a simulated subject's truth along one of the scan: the routine grid is that fine."""

CSF, GREY, WHITE, FAT, MUSCLE = 1, 2, 3, 5, 6
"""Codes of tissue that T1 alone tells in a measured head."""

_RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


class Source(NamedTuple):
    """One head, not read yet.

    Attributes:
        case: pseudonym, made of its content.
        kind: "simulated" or "measured".
        folder: the subject's or the head's.
        names: what --test and --validation may call it.
        group: "healthy" or "patient".
        state: digest of names, sizes and times of its files.
    """

    case: str
    kind: str
    folder: Path
    names: tuple[str, ...]
    group: str
    state: str


def find_sources(cohorts: Sequence[Path], measured: Sequence[Path]) -> list[Source]:
    """All heads, in the order given.

    Raises:
        ValueError: a folder is no cohort, holds no truth or no head, or two share a name.
    """
    found = [one for folder in cohorts for one in _cohort(folder)]
    found += [_head(head) for folder in measured for head in measured_heads(folder)]
    if not found:
        raise ValueError("nobody to scan: give --cohort or --measured")
    own = [one.names[-1] for one in found]
    twice = sorted({name for name in own if own.count(name) > 1})
    if twice:
        raise ValueError(f"{twice[0]} is given twice, or two folders share this name; rename one")
    return found


def _cohort(folder: Path) -> list[Source]:
    table = folder / PARTICIPANTS
    if not table.is_file():
        raise ValueError(f"{folder}: no {PARTICIPANTS}; expected a cohort of simulate_cohort")
    cohort = folder.resolve().name
    return [_subject(folder / name, cohort, group) for name, group in read_groups(table).items()]


def _subject(folder: Path, cohort: str, group: str) -> Source:
    truth = folder / "truth"
    try:
        uid = json.loads((truth / TRUTH_JSON).read_text())["study_uid"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{truth / TRUTH_JSON}: cannot be read ({error})") from None
    files = [path for path in truth.iterdir() if path.is_file()]
    return Source(
        case=f"sim-{text_sha256(uid)[:12]}",
        kind=SIMULATED,
        folder=folder,
        names=(cohort, f"{cohort}/{folder.name}"),
        group=group,
        state=files_sha256(files, truth),
    )


def _head(folder: Path) -> Source:
    files = sorted(path for path in folder.iterdir() if path.is_file())
    content = "".join(file_sha256(path) for path in files if path.name != SIDECAR)
    return Source(
        case=f"head-{text_sha256(content)[:12]}",
        kind=MEASURED,
        folder=folder,
        names=(folder.resolve().name,),
        group=HEALTHY,
        state=files_sha256(files, folder),
    )


def deal(
    sources: Sequence[Source], named: Mapping[str, Sequence[str]], *, shares: Shares, seed: int
) -> list[str]:
    """The split of every head.

    Args:
        sources: all heads.
        named: split to names of cohorts, subjects (COHORT/sub-001) or heads; where anybody is
            named, all others train. Else heads are dealt by their own hashes, and patients test.
        shares: of the deal.
        seed: likewise.

    Raises:
        ValueError: an unknown name, one in two splits, or a deal that leaves a split empty.
    """
    if not any(named.values()):
        dealt = split_subjects(seed, {one.case: one.group for one in sources}, shares)
        return [dealt[one.case].split for one in sources]
    known = {name for one in sources for name in one.names}
    unknown = sorted({name for names in named.values() for name in names} - known)
    if unknown:
        raise ValueError(f"{unknown[0]}: nobody is called so; known are {', '.join(sorted(known))}")
    splits = []
    for one in sources:
        told = {split for split, names in named.items() if set(names) & set(one.names)}
        if len(told) > 1:
            raise ValueError(f"{one.names[-1]} is named for {' and '.join(sorted(told))}")
        splits.append(told.pop() if told else "train")
    return splits


def read_head(source: Source) -> KnownHead:
    """Maps and labels of a head, canonical axial slices from the feet up.

    Raises:
        TruthError, ValueError: a file cannot be used.
    """
    if source.kind == MEASURED:
        return measured_head(read_measured(source.folder), where=source.folder)
    folder = source.folder / "truth"
    geometry = truth_geometry(folder)
    truth = read_truth(folder, geometry)
    return KnownHead(truth.maps, truth.tissue, truth.lesions, geometry, FINER, SIMULATED)


def measured_head(head: MeasuredMaps, *, where: Path) -> KnownHead:
    """A measured head; its tissues are told by T1, see :class:`MeasuredMaps`.

    Raises:
        ValueError: it lies on no plain grid.
    """
    affine = (_RAS_TO_LPS @ head.affine)[:, [2, 1, 0, 3]]
    geometry, upside_down = stack_geometry(where, head.brain.shape[::-1], affine)
    white_below, grey_below = head.borders_ms
    t1_ms, brain = head.maps[..., 0], head.brain
    kinds = [
        (brain & (t1_ms < white_below), WHITE),
        (brain & (t1_ms >= white_below) & (t1_ms < grey_below), GREY),
        (brain & (t1_ms >= grey_below), CSF),
        (~brain & (t1_ms > 0) & (t1_ms < LEAST_T1_MS), FAT),
        (~brain & (t1_ms >= LEAST_T1_MS), MUSCLE),
    ]
    tissue = np.select([here for here, _ in kinds], [code for _, code in kinds], 0)
    stacks = []
    for array in (head.maps, tissue.astype(np.uint8)):
        stack = np.swapaxes(array, 0, 2)
        stack = stack[::-1] if upside_down else stack
        stack, placed, _ = turned(stack, geometry, canonical_signs(geometry))
        stacks.append(np.ascontiguousarray(stack))
    return KnownHead(stacks[0], stacks[1], np.zeros_like(stacks[1]), placed, 1, MEASURED)
