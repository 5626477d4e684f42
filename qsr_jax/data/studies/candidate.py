"""What the manifest says about one subject: pairs, group, grid and, if simulated, the truth."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

from qsr_jax.data.dicom import Series, place_text
from qsr_jax.data.studies.geometry_match import PairError
from qsr_jax.data.studies.manifest import BIDS, FAST, HEALTHY, SIDES, ManifestError, Pair
from qsr_jax.data.studies.pair_quality import worst
from qsr_jax.data.studies.pair_subject import PairedMaps
from qsr_jax.data.studies.pseudonyms import group_of
from qsr_jax.data.studies.truth import TruthError, check_study
from qsr_jax.files.digest import values_digest
from qsr_jax.maps import spec_of, to_stored

TRUTH_FOLDER = "truth"


@dataclasses.dataclass(frozen=True)
class Candidate:
    """A paired subject before the split; holds no voxels, so that a cohort fits into memory."""

    group: str
    truth: str | None
    grid_alignment: str
    fast_shape: tuple[int, int, int]
    fast_spacing_mm: tuple[float, float, float]
    maps: Mapping[str, Pair]


def candidate(
    paired: PairedMaps, root: Path, *, kind: str, groups: Mapping[str, str] | None
) -> Candidate:
    """Collects what the manifest says about one subject, but for the split.

    Args:
        paired: the pairs.
        root: the tree they come from.
        kind: what the tree holds.
        groups: participant to group; None makes everybody healthy.

    Raises:
        PairError: no group or two, another study's truth, or names that contradict the matrices.
    """
    maps = {}
    for name, pair in paired.series.items():
        findings = paired.findings[name]
        maps[name] = Pair(
            folders={side: place_text(pair[side].place, pair[side].files, root) for side in SIDES},
            sha256={side: pair[side].sha256 for side in SIDES},
            values={side: _values(pair[side]) for side in SIDES},
            qc=paired.qc[name],
            verdict=worst(findings),
            findings=tuple(vars(finding) for finding in findings),
        )
        if kind == BIDS and [pair[side].description for side in SIDES] != [*SIDES]:
            raise PairError(f"{maps[name].folders[FAST]}: acq-fast has the larger matrix")
    used = [pair[side] for pair in paired.series.values() for side in SIDES]
    grid = paired.series["t1"][FAST].volume.geometry
    return Candidate(
        group=_group(used, root, groups),
        truth=_truth(used, root),
        grid_alignment=paired.grid_alignment,
        fast_shape=grid.shape,
        fast_spacing_mm=grid.spacing_mm,
        maps=maps,
    )


def _values(series: Series) -> str:
    """Digest of the values of a map, in the steps of the records."""
    spec = spec_of(series.map_name)
    return values_digest(to_stored(series.volume.maps, spec, where=str(series.place)))


def _group(series: Sequence[Series], root: Path, groups: Mapping[str, str] | None) -> str:
    """The subject's group; everybody is healthy where nothing is said."""
    if groups is None:
        return HEALTHY
    try:
        return group_of(
            series[0].patient_id, [s.files[0].relative_to(root) for s in series], groups
        )
    except ManifestError as error:
        raise PairError(str(error)) from None


def _truth(series: Sequence[Series], root: Path) -> str | None:
    """The folder of simulated truth beside the series, if there is one."""
    beside = {s.files[0].parent.parent / TRUTH_FOLDER for s in series}
    found = [folder for folder in beside if folder.is_dir()]
    if not found:
        return None
    if len(found) > 1:
        raise PairError(f"{len(found)} {TRUTH_FOLDER} folders beside one subject's series")
    try:
        check_study(found[0], series[0].study_uid)
    except TruthError as error:
        raise PairError(str(error)) from None
    return found[0].relative_to(root).as_posix()
