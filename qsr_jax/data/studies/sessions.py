"""The sessions of a subject: which series belong to one visit, and which visits are wanted."""

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from pathlib import PurePosixPath

from qsr_jax.data.dicom import SeriesFiles, named_tag
from qsr_jax.data.studies.strict_json import ManifestError

ALL, FIRST, LAST = "all", "first", "last"
_BIDS_SESSION = "/ses-"


@dataclasses.dataclass(frozen=True)
class SessionChoice:
    """What of each subject is paired.

    Attributes:
        wanted: "all", "first", "last", or the label of a session.
        by_day: whether the studies of one subject on one day are one session, as after the restart
            of a console; else each study is one.
        excluded: places of series, or folders above them, relative to the tree, that are left out.
    """

    wanted: str = ALL
    by_day: bool = False
    excluded: tuple[str, ...] = ()

    def leaves_out(self, place: PurePosixPath) -> bool:
        """Whether a series is excluded."""
        above = {place, *place.parents}
        return any(PurePosixPath(one) in above for one in self.excluded)

    def check(self, places: Sequence[PurePosixPath]) -> None:
        """Refuses an exclusion that meets nothing.

        Raises:
            ManifestError: naming it.
        """
        for one in self.excluded:
            if not any(dataclasses.replace(self, excluded=(one,)).leaves_out(p) for p in places):
                raise ManifestError(f"--exclude {one}: leaves nothing out; mend its name")

    def check_label(self, labels: Collection[str]) -> None:
        """Refuses the label of a session that nobody has.

        Args:
            labels: of all sessions of everybody.

        Raises:
            ManifestError: naming some that there are.
        """
        if self.wanted not in (ALL, FIRST, LAST, *labels):
            some = ", ".join([ALL, FIRST, LAST, *sorted(filter(None, labels))[:6]])
            raise ManifestError(f"--session {self.wanted}: nobody has it; expected one of {some}")

    def chosen(self, sessions: Mapping[str, Sequence[SeriesFiles]]) -> list[str]:
        """The labels of the sessions that are wanted, of those of one subject in their order."""
        labels = list(sessions)
        ends = {ALL: labels, FIRST: labels[:1], LAST: labels[-1:]}
        return ends.get(self.wanted, [label for label in labels if label == self.wanted])

    def sort(self, owned: Sequence[tuple[str, SeriesFiles]]) -> dict[str, list[SeriesFiles]]:
        """Session to series, the first session first.

        DICOM numbers the studies of a subject by their date and time, BIDS names its sessions.

        Args:
            owned: study and series, of one subject.
        """
        groups: dict[str, list[SeriesFiles]] = {}
        started: dict[str, tuple[str, str]] = {}
        for study, series in owned:
            day = series.when.split()[0] if series.when.strip() else ""
            key = day if self.by_day and day else study
            groups.setdefault(key, []).append(series)
            started[key] = min(started.get(key, (series.when, study)), (series.when, study))
        ordered = sorted(groups, key=started.__getitem__)
        return {_label(key, number): groups[key] for number, key in enumerate(ordered, 1)}


def _label(study: str, number: int) -> str:
    """What a session is called; nothing of DICOM's own identifiers."""
    return session_label(study) if study.startswith("sub-") else str(number)


def session_label(study: str) -> str:
    """The session of ``sub-01/ses-2``: "2"; empty where BIDS names none.

    >>> session_label("sub-01/ses-2")
    '2'
    """
    return study.partition(_BIDS_SESSION)[2]


def one_patient_each(
    owned: Sequence[tuple[str, str, SeriesFiles]],
) -> tuple[dict[str, list[tuple[str, SeriesFiles]]], dict[str, str]]:
    """Studies and series by PatientID, and the PatientIDs that dispute a study, with the reason.

    Args:
        owned: PatientID, study and series.
    """
    by_patient: dict[str, list[tuple[str, SeriesFiles]]] = {}
    first_of_study: dict[str, tuple[str, SeriesFiles]] = {}
    disputed: dict[str, str] = {}
    for patient, study, series in owned:
        other, elsewhere = first_of_study.setdefault(study, (patient, series))
        if other != patient:
            both = f"{elsewhere.place} and {series.place}"
            disputed[patient] = disputed[other] = (
                f"{both}: {named_tag('PatientID')} differs in one study"
            )
        by_patient.setdefault(patient, []).append((study, series))
    return by_patient, disputed
