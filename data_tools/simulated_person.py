"""Simulates one person and writes what the scanner and the truth say."""

import dataclasses
import functools
import json
from pathlib import Path

import numpy as np
from nilearn.datasets import (
    load_mni152_brain_mask,
    load_mni152_gm_template,
    load_mni152_wm_template,
)

from qsr_jax.data.dicom import Acquisition, make_uid, write_acquired
from qsr_jax.data.nifti import write_nifti
from qsr_jax.data.staging import staged_folder
from qsr_jax.data.truth import MAP_FILES, TRUTH_JSON
from qsr_jax.maps import MAPS
from qsr_jax.physics.phantom import Phantom, draw_phantom, tissue_codes
from qsr_jax.physics.protocol import PROTOCOLS, Protocol, geometries
from qsr_jax.physics.regions import REGION_NAMES
from qsr_jax.physics.study import scan
from qsr_jax.physics.template import Template, with_nuclei
from qsr_jax.types import Geometry, Volume

HEALTHY, PATIENT = "healthy", "patient"
TISSUE_NAMES = {0: "none", 1: "CSF", 2: "GM", 3: "WM", 4: "lesion"}
FIELD_STRENGTH_T = 3.0
ECHO_TRAIN_LENGTH = 16


@dataclasses.dataclass(frozen=True)
class Cohort:
    """Everything that decides what the people of a cohort look like.

    Attributes:
        subjects: healthy people, the first numbers.
        patients: people with lesions, the numbers after them.
        seed: of the cohort; person k is a pure function of it, k and the settings below.
        protocol: key of :data:`qsr_jax.physics.protocol.PROTOCOLS`.
        snr: of white matter in the routine scan.
        alignment: of the two reconstructed grids, see :mod:`qsr_jax.types`.
    """

    subjects: int
    patients: int
    seed: int
    protocol: str
    snr: float
    alignment: str

    def people(self) -> dict[str, str]:
        """Participant id to group, in order."""
        groups = [HEALTHY] * self.subjects + [PATIENT] * self.patients
        return {f"sub-{number:03d}": group for number, group in enumerate(groups, start=1)}


@functools.cache
def load_template() -> Template:
    """The MNI152 tissue templates that nilearn's package carries, 1 mm; needs no network."""
    grey, white, brain = (
        load(resolution=1)
        for load in (load_mni152_gm_template, load_mni152_wm_template, load_mni152_brain_mask)
    )
    arrays = [np.asarray(image.dataobj, np.float32) for image in (grey, white, brain)]
    return with_nuclei(Template(*arrays, affine=grey.affine))


def simulate_person(cohort: Cohort, participant: str, out: Path) -> None:
    """Writes the folder ``out`` of one person: six DICOM series and the truth.

    Raises:
        ValueError: a setting of the cohort is out of its range.
        OSError: the folder could not be written; nothing is left at ``out``.
    """
    group = cohort.people()[participant]
    number = int(participant.removeprefix("sub-"))
    routine, fast = PROTOCOLS[cohort.protocol]
    grids = dict(zip((routine, fast), geometries(routine, fast, cohort.alignment), strict=True))
    anatomy, scanner = np.random.default_rng([cohort.seed, number]).spawn(2)
    template = load_template()
    phantom = draw_phantom(anatomy, template, grids[routine], patient=group == PATIENT)
    study = scan(scanner, phantom, grids, snr=cohort.snr, reference=routine)

    uid_seed = f"{cohort.protocol}/{cohort.alignment}/{cohort.snr}/{cohort.seed}/{number}"
    study_uid = make_uid(f"{uid_seed}/study")
    with staged_folder(out) as folder:
        for protocol, geometry in grids.items():
            maps = study.scans[protocol.name]
            _write_scan(folder, maps, geometry, protocol, number, uid_seed)
        about = {
            "study_uid": study_uid,
            "group": group,
            "seed": cohort.seed,
            "grid_alignment": cohort.alignment,
            "protocol": cohort.protocol,
            "snr": cohort.snr,
        }
        _write_truth(folder / "truth", study.truth, phantom, about)


def _write_scan(
    folder: Path,
    maps: np.ndarray,
    geometry: Geometry,
    protocol: Protocol,
    number: int,
    uid_seed: str,
) -> None:
    """The T1, T2 and PD series of one scan, ``folder/<protocol>_<map>``."""
    for index, spec in enumerate(MAPS.values()):
        name = f"{protocol.name}_{spec.name}"
        acquisition = Acquisition(
            patient_id=f"SIM{number:03d}",
            patient_name=f"SIMULATED^{number:03d}",
            study_uid=make_uid(f"{uid_seed}/study"),
            frame_uid=make_uid(f"{uid_seed}/frame"),
            study_date="20260101",
            study_time="080000",
            series_number=100 * protocol.matrix[0] + index,
            series_description=f"{spec.label} {protocol.name} simulated MDME",
            tr_ms=protocol.tr_ms,
            te_ms=protocol.te_ms[0],
            echo_train_length=ECHO_TRAIN_LENGTH,
            matrix=protocol.matrix,
            field_strength_t=FIELD_STRENGTH_T,
        )
        volume = Volume(maps[..., index : index + 1], (spec.name,), geometry)
        write_acquired(
            volume, folder / name, acquisition=acquisition, uid_seed=f"{uid_seed}/{name}"
        )


def _write_truth(
    folder: Path, maps: np.ndarray, phantom: Phantom, about: dict[str, object]
) -> None:
    """Maps and labels on the routine grid, and what the labels mean."""
    folder.mkdir()
    geometry = phantom.planes.geometry
    for index, name in enumerate(MAPS):
        write_nifti(np.ascontiguousarray(maps[..., index]), geometry, folder / MAP_FILES[name])
    labels = {
        "tissue": tissue_codes(phantom.fractions),
        "regions": phantom.regions,
        "lesions": phantom.lesion_labels,
    }
    for name, array in labels.items():
        write_nifti(array, geometry, folder / f"{name}.nii.gz")
    text = about | {
        "units": {spec.name: spec.unit for spec in MAPS.values()},
        "tissue_names": TISSUE_NAMES,
        "region_names": dict(enumerate(REGION_NAMES, start=1)),
        "lesion_kinds": {i: lesion.kind for i, lesion in enumerate(phantom.lesions, start=1)},
    }
    (folder / TRUTH_JSON).write_text(json.dumps(text, indent=1) + "\n")
