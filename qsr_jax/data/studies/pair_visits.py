"""One subject of a tree: its sessions read and paired, or why not; a result that JSON can keep."""

import dataclasses
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from qsr_jax.data.dicom import Series, SeriesFiles
from qsr_jax.data.dicom.people import differing
from qsr_jax.data.dicom.series_rules import SeriesRule
from qsr_jax.data.studies.candidate import Candidate, candidate
from qsr_jax.data.studies.geometry_match import PairError
from qsr_jax.data.studies.manifest import ACCEPTED, Pair
from qsr_jax.data.studies.pair_subject import pair_subject
from qsr_jax.data.studies.scan_sources import SOURCES, Source
from qsr_jax.files.digest import json_sha256
from qsr_jax.files.journal import files_sha256

RESULT = 2
"""What :func:`pair_visits` returns and how it judges; another number starts journals anew."""


@dataclasses.dataclass(frozen=True)
class Visit:
    """One session of a subject.

    Attributes:
        session: its label.
        home: what messages call it.
        series: its files.
        accepted: rules that a person overruled.
    """

    session: str
    home: str
    series: tuple[SeriesFiles, ...]
    accepted: frozenset[str]


@dataclasses.dataclass(frozen=True)
class Tree:
    """What is being paired, and how.

    Attributes:
        root: the tree.
        kind: "dicom" or "bids".
        scale: routine matrix over fast matrix.
        groups: participant to group, or None; of one subject, where one subject is meant.
        protocols: rows that recognise maps, beyond the built-in table.
        any_study: whether the series of a session may be of several studies.
    """

    root: Path
    kind: str
    scale: int
    groups: Mapping[str, str] | None
    protocols: tuple[SeriesRule, ...]
    any_study: bool

    @property
    def source(self) -> Source:
        """How trees of this kind are read."""
        return SOURCES[self.kind]

    def inputs_of(self, visits: Sequence[Visit]) -> str:
        """Digest of what the result for one subject depends on; groups are that subject's."""
        how = [RESULT, self.kind, self.scale, self.groups, self.any_study]
        rows = [row.to_json() for row in self.protocols]
        seen = [
            [visit.session, visit.home, sorted(visit.accepted)]
            + [
                [self.shown(one.place), files_sha256(one.files, self.root), self._beside(one)]
                for one in visit.series
            ]
            for visit in visits
        ]
        return json_sha256([how, rows, seen])

    def shown(self, place: Path) -> str:
        """A place relative to the tree."""
        return place.relative_to(self.root).as_posix()

    def _beside(self, one: SeriesFiles) -> list[str]:
        """Folders beside a series: a truth is found by its name."""
        folder = one.place.parent
        return sorted(entry.name for entry in os.scandir(folder) if entry.is_dir())


def pair_visits(tree: Tree, visits: Sequence[Visit]) -> dict[str, Any]:
    """Reads and pairs the sessions of one subject.

    Returns:
        JSON: "sessions", label to candidate (see :func:`candidate_of`); "refused" and "flagged",
        {"what", "reason"}; "needed", the acceptances without which a session were refused.
    """
    refused: list[dict[str, str]] = []
    needed: list[list[str]] = []
    sessions: dict[str, Candidate] = {}
    people: list[Mapping[str, str]] = []
    for visit in visits:
        made = _pair(tree, visit, refused, needed, people)
        if made is None:
            continue
        if any(made.group != other.group for other in sessions.values()):
            reason = "another group than that of the subject's other sessions"
            refused.append({"what": visit.home, "reason": reason})
            continue
        sessions[visit.session] = made
    kept = {label: dataclasses.asdict(one) for label, one in sessions.items()}
    differ, where = differing(people), ", ".join(visit.home for visit in visits)
    flagged = [{"what": where, "reason": differ}] if differ else []
    return {"sessions": kept, "refused": refused, "flagged": flagged, "needed": needed}


def candidate_of(content: Mapping[str, Any]) -> Candidate:
    """A candidate as it was before :func:`pair_visits` made JSON of it."""
    maps = {
        name: Pair(**{**pair, "findings": tuple(pair["findings"])})
        for name, pair in content["maps"].items()
    }
    threes = {key: tuple(content[key]) for key in ("fast_shape", "fast_spacing_mm")}
    return Candidate(**{**content, **threes, "maps": maps})


def _pair(
    tree: Tree,
    visit: Visit,
    refused: list[dict[str, str]],
    needed: list[list[str]],
    people: list[Mapping[str, str]],
) -> Candidate | None:
    """One session; notes why it is refused, the acceptances it needed, and who it says it is."""
    series = _read_all(tree, visit.series, refused)
    people += [one.person for one in series]
    try:
        paired = pair_subject(
            series, scale=tree.scale, accepted=visit.accepted, any_study=tree.any_study
        )
        made = candidate(paired, tree.root, kind=tree.kind, groups=tree.groups)
    except PairError as error:
        overrule = " ".join(f"--accept {visit.home!r}:{rule}" for rule in error.rules)
        hint = f"; to use it all the same: {overrule}" if overrule else ""
        refused.append({"what": visit.home, "reason": plain(error, tree.root) + hint})
        return None
    needed += sorted(
        [visit.home, rule]
        for rule in {
            finding.rule
            for findings in paired.findings.values()
            for finding in findings
            if finding.verdict == ACCEPTED
        }
    )
    return made


def _read_all(
    tree: Tree, places: Sequence[SeriesFiles], refused: list[dict[str, str]]
) -> list[Series]:
    """The readable series of one session; the others are noted."""
    series: list[Series] = []
    for one in places:
        try:
            series += tree.source.read(one, tree.protocols, tree.root)
        except tree.source.error as error:
            refused.append({"what": tree.shown(one.place), "reason": plain(error, tree.root)})
    return series


def plain(error: Exception, root: Path) -> str:
    """An error's text with paths relative to the tree."""
    return str(error).replace(f"{root}{os.sep}", "")
