"""Everything that decides what the subjects of a simulated cohort look like."""

import dataclasses
import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

from data_tools import anatomy_files
from data_tools.protocol_file import load_protocols
from data_tools.subject_sources import DIGITS, anatomy_from, contents, deal
from qsr_jax.anatomy.regions import label_regions
from qsr_jax.data.nifti.atlas_files import atlas_labeller
from qsr_jax.files.digest import file_sha256, json_sha256
from qsr_jax.phantom.anatomy import Anatomy
from qsr_jax.phantom.lesions import FREQUENCY, LesionPlan
from qsr_jax.phantom.measured_maps import MeasuredMaps, scaled_protocols
from qsr_jax.phantom.phantom import Labeller
from qsr_jax.phantom.tissue_values import WIDE
from qsr_jax.phantom.weighted_images import WeightedImage
from qsr_jax.physics.installation import (
    DRAWN,
    DRAWS,
    PROTOCOL_NAMES,
    Scanners,
    installed,
    scanner_for,
)
from qsr_jax.physics.mdme_protocol import PROTOCOLS, Protocol
from qsr_jax.physics.scanner import Scanner
from qsr_jax.simulate.scan import check_scans

EDITION = 2
"""Of the simulator; cohorts of another are not continued."""

UNWRITTEN = {"scanners": 1}
"""Settings that cohort.json leaves out, so that cohorts of before stay what they were."""

ID_DIGITS = 8
"""Hexadecimal digits of a subject's digest in its PatientID."""

HEALTHY, PATIENT = "healthy", "patient"
RESOLUTION_TOLERANCE_MM = 0.02
"""Of an image's resolution: pixels of scaled protocols are rounded."""

GEOMETRIC = "our geometric definitions in MNI space"


@dataclasses.dataclass(frozen=True)
class CohortSettings:
    """Settings of a cohort; subject k is a pure function of them and of k.

    Attributes:
        subjects: healthy subjects, the first numbers.
        patients: subjects with lesions, the numbers after them.
        seed: of the cohort.
        protocol: key of :data:`qsr_jax.physics.mdme_protocol.PROTOCOLS`, or a protocol file.
        installation: one of :data:`qsr_jax.physics.installation.INSTALLATIONS`.
        fixed: properties of :data:`qsr_jax.physics.installation.DRAWS` that are not drawn.
        alignment: of the two reconstructed grids, see :mod:`qsr_jax.types`.
        scanner: motion and whatever else is not drawn.
        noiseless: whether the truth holds the noise-free routine fit, too.
        anatomy: folder of label maps, or None for the MNI152 templates.
        anatomy_share: part of the subjects that are made from ``anatomy``, 0 to 1; the others are
            made from the templates.
        labels: one of :data:`data_tools.anatomy_files.ANATOMIES`, or None where subfolders of
            ``anatomy`` are named after these keys.
        measured: folder of measured maps, or None.
        values: whose tissue values subjects have, of
            :data:`qsr_jax.phantom.tissue_values.VALUES`; measured heads have their own.
        lesions: kinds of lesions that patients get.
        specks: lesions at the edge of resolution per patient.
        lesion_masks: folder of masks in MNI space that give lesions their shapes, or None.
        atlas_aal: AAL3 volume and its label table, or None.
        atlas_jhu: JHU-ICBM volume and its label table, or None.
        scanners: how many there are; they take the subjects in turn.
    """

    subjects: int
    patients: int
    seed: int
    protocol: str
    installation: str
    fixed: dict[str, float | str]
    alignment: str
    scanner: Scanner
    noiseless: bool
    anatomy: Path | None
    anatomy_share: float
    labels: str | None
    measured: Path | None
    values: str
    lesions: tuple[str, ...]
    specks: int
    lesion_masks: Path | None
    atlas_aal: tuple[Path, Path] | None
    atlas_jhu: tuple[Path, Path] | None
    scanners: int = 1

    def groups(self) -> dict[str, str]:
        """Participant id to group, in order."""
        groups = [HEALTHY] * self.subjects + [PATIENT] * self.patients
        return {f"sub-{number:03d}": group for number, group in enumerate(groups, start=1)}

    def check(self) -> None:
        """Refuses what no cohort can have, before anything is written.

        Raises:
            ValueError: the value and the rule.
        """
        for name, value, least in (
            ("--subjects", self.subjects, 0),
            ("--patients", self.patients, 0),
            ("--seed", self.seed, 0),
            ("--subjects plus --patients", len(self.groups()), 1),
            ("--scanners", self.scanners, 1),
        ):
            if value < least:
                raise ValueError(f"{name} must be at least {least}; got {value}")
        if not self.drawn(1)["snr"] > 0:
            raise ValueError(f"--snr must be positive; got {self.fixed['snr']}")
        for wrong, rule in self._rules():
            if wrong:
                raise ValueError(rule)
        if self._weighted() and (self.patients or self.values != WIDE):
            raise ValueError(
                "T2-weighted images make healthy subjects with values that are drawn wide: "
                "--patients must be 0, and --values wide"
            )
        numbers, scanners = range(1, len(self.groups()) + 1), self._scanners()
        for number in {(self.head_of(n), scanners.of_subject(n)): n for n in numbers}.values():
            check_scans(self.protocols(number), self.scanner_of(number))
            self._check_resolution(number)
        self.plan()
        self.labeller()

    def _rules(self) -> tuple[tuple[object, str], ...]:
        """What settings exclude each other: whether it is so, and what to say then."""
        in_file = [name for name in self.fixed if name not in self._names()]
        return (
            (in_file, f"{self.protocol} says {', '.join(in_file)} itself: change it there"),
            (self.anatomy and self.measured, "--anatomy and --measured exclude each other"),
            (
                not self.anatomy and (self.labels or self.anatomy_share != 1.0),
                "--labels and --anatomy-share need --anatomy",
            ),
            (
                self.scanners > 1 and self.installation != DRAWN,
                f"--scanners {self.scanners} needs --installation {DRAWN}: means are all alike",
            ),
            (
                not 0.0 < self.anatomy_share <= 1.0,
                f"--anatomy-share must be above 0 and at most 1; got {self.anatomy_share}",
            ),
            (
                self.measured and self.patients,
                "measured heads get no lesions: --patients must be 0",
            ),
            (
                bool(self.atlas_aal) != bool(self.atlas_jhu),
                "--atlas-aal and --atlas-jhu go together",
            ),
        )

    def _weighted(self) -> bool:
        found = anatomy_files.label_files(self.anatomy, self.labels) if self.anatomy else {}
        return anatomy_files.T2_WEIGHTED in found.values()

    def _check_resolution(self, number: int) -> None:
        """Reads a subject's anatomy; refuses images that know less than a scan would see."""
        anatomy = self.anatomy_of(number)
        if not isinstance(anatomy, WeightedImage):
            return
        pixel_mm = min(p.fov_mm / max(p.matrix) for p in self.protocols(number))
        if pixel_mm < anatomy.finest_mm - RESOLUTION_TOLERANCE_MM:
            raise ValueError(
                f"{self.head_of(number)}: the scans acquire pixels of {pixel_mm:.2f} mm, but the "
                f"image tells {anatomy.finest_mm:.2f} mm at best; give a coarser --protocol"
            )

    def head_of(self, number: int) -> Path | None:
        """The file or folder that one subject is made from, None for the templates.

        Heads are used in turn; which subjects are made from them depends on the seed and the
        subject's number alone.
        """
        turn = deal(self.seed, number, share=self.anatomy_share)
        if turn is None:
            return None
        if self.anatomy:
            heads = list(anatomy_files.label_files(self.anatomy, self.labels))
        elif self.measured:
            heads = anatomy_files.measured_heads(self.measured)
        else:
            return None
        return heads[turn % len(heads)]

    def made_from(self, number: int) -> str:
        """What a subject is made from, by name."""
        head = self.head_of(number)
        return head.name if head else "MNI152 templates"

    def anatomy_of(self, number: int) -> Anatomy:
        """What a subject is made from; raises ValueError if it cannot be used."""
        head = self.head_of(number)
        if head and self.anatomy:
            return anatomy_from(head, anatomy_files.label_files(self.anatomy, self.labels)[head])
        return anatomy_from(head, None)

    def notes(self) -> list[str]:
        """How the PD of measured heads became percent, a line for each head in use."""
        numbers = range(1, len(self.groups()) + 1) if self.measured else ()
        heads = {self.made_from(number): self.anatomy_of(number) for number in numbers}
        return [f"{n}: {one.density}" for n, one in heads.items() if isinstance(one, MeasuredMaps)]

    def protocols(self, number: int) -> tuple[Protocol, Protocol]:
        """(routine, fast) of one subject; measured heads have them scaled to their resolution."""
        if self.protocol in PROTOCOLS:
            cross_talk = self.scanner.cross_talk
            drawn = self.drawn(number)
            pair = installed(*PROTOCOLS[self.protocol], drawn, cross_talk=cross_talk)
        else:
            pair = load_protocols(Path(self.protocol))
        head = self.anatomy_of(number) if self.measured else None
        return scaled_protocols(*pair, head) if isinstance(head, MeasuredMaps) else pair

    def _names(self) -> tuple[str, ...]:
        """Properties that are drawn: a protocol file says its own."""
        known = self.protocol in PROTOCOLS
        return tuple(name for name in DRAWS if known or name not in PROTOCOL_NAMES)

    def _scanners(self) -> Scanners:
        return Scanners(self.seed, self.scanners, self.installation, self.fixed, self._names())

    def drawn(self, number: int) -> dict[str, Any]:
        """Properties of a subject (from 1) and its scanner; ValueError for one not known."""
        return self._scanners().drawn(number)

    def scanner_of(self, number: int) -> Scanner:
        """The scanner with one subject in it; raises ValueError if there can be none."""
        return scanner_for(self.scanner, self.drawn(number))

    def snr_of(self, number: int) -> float:
        """SNR of white matter in one subject's routine scan."""
        drawn = self.drawn(number)
        return float(drawn["snr"] * drawn["snr_factor"])

    def plan(self) -> LesionPlan:
        """Lesions of patients; raises ValueError for unknown kinds or masks."""
        masks: tuple = ()
        if self.lesion_masks:
            files = anatomy_files.volume_files(self.lesion_masks)
            masks = tuple(anatomy_files.read_lesion_mask(path) for path in files)
        frequency = {kind: FREQUENCY.get(kind, 0.1) for kind in self.lesions}
        return LesionPlan(frequency=frequency, specks=self.specks, masks=masks)

    def labeller(self) -> tuple[Labeller, str]:
        """What tells the regions, and its description."""
        if self.atlas_aal is None or self.atlas_jhu is None:
            return label_regions, GEOMETRIC
        return atlas_labeller(self.atlas_aal, self.atlas_jhu)

    def settings(self) -> dict[str, Any]:
        """All that decides the data, as plain JSON: files by their content, not their place."""
        pair = self.protocols(1)
        document = dataclasses.asdict(self) | {
            "edition": EDITION,
            "drawn": self._scanners().properties(),
            "laws": {name: str(DRAWS[name]) for name in self._names()},
            "protocol": self.protocol if self.protocol in PROTOCOLS else "file",
            "protocols": {one.name: dataclasses.asdict(one) for one in pair},
            "anatomy": self._anatomies(),
            "measured": contents(self.measured),
            "lesion_masks": contents(self.lesion_masks),
            "atlas_aal": self.atlas_aal and [file_sha256(p)[:DIGITS] for p in self.atlas_aal],
            "atlas_jhu": self.atlas_jhu and [file_sha256(p)[:DIGITS] for p in self.atlas_jhu],
            "regions_from": self.labeller()[1],
        }
        if self.measured is not None:
            # Older cohorts averaged T1 and T2 of a slice's planes as times.
            document["between_voxels"] = "protons and rates"
        written = {n: v for n, v in document.items() if (n, v) not in UNWRITTEN.items()}
        return json.loads(json.dumps(written))

    def _anatomies(self) -> str | dict[str, str]:
        """The templates' version, the label maps, or both."""
        templates = f"MNI152 of nilearn {version('nilearn')}"
        found = contents(self.anatomy)
        if found is None:
            return templates
        return found if self.anatomy_share == 1.0 else found | {"the others": templates}

    def uid_seed(self, number: int) -> str:
        """Text that makes a subject's UIDs: everything but the size of the cohort."""
        rest = {k: v for k, v in self.settings().items() if k not in ("subjects", "patients")}
        return f"{json_sha256(rest)}/{number}/{list(self.groups().values())[number - 1]}"

    def patient_id(self, number: int) -> str:
        """PatientID of a subject: another one in every cohort with other settings."""
        return f"SIM{number:03d}-{json_sha256(self.uid_seed(number))[:ID_DIGITS]}"
