"""Simulates one subject and writes what the scanner and the truth say."""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from data_tools.cohort_settings import PATIENT, CohortSettings
from data_tools.freed_memory import keep_freed_memory
from qsr_jax.anatomy.regions import REGION_NAMES
from qsr_jax.data.dicom import Acquisition, make_uid, write_acquired
from qsr_jax.data.nifti.files import write_nifti
from qsr_jax.data.studies.truth import MAP_FILES, NOISE_FREE_FILES, TRUTH_JSON
from qsr_jax.files.staged import staged_folder
from qsr_jax.maps import MAPS
from qsr_jax.phantom.phantom import BONE, Phantom, draw_phantom
from qsr_jax.physics.mdme_protocol import Protocol, geometries
from qsr_jax.simulate.motion import POSE
from qsr_jax.simulate.moved_truth import moved_truth
from qsr_jax.simulate.simulate import SimulatedScans, scan
from qsr_jax.types import Geometry, Volume

TISSUE_NAMES = {
    0: "none",
    1: "CSF",
    2: "GM",
    3: "WM",
    4: "lesion",
    5: "fat and marrow",
    6: "muscle",
    7: "skin",
    BONE: "bone or flowing blood",
}
FIELD_STRENGTH_T = 3.0


@threadpool_limits.wrap(limits=1, user_api="blas")  # two wait busily, and sum in another order
def simulate_subject(cohort: CohortSettings, participant: str, out: Path) -> None:
    """Writes the folder ``out`` of one subject: six DICOM series and the truth.

    Raises:
        ValueError: a setting of the cohort is out of its range.
        OSError: the folder could not be written; nothing is left at ``out``.
    """
    keep_freed_memory()
    number = number_of(participant)
    routine, fast = cohort.protocols(number)
    grids = dict(zip((routine, fast), geometries(routine, fast, cohort.alignment), strict=True))
    phantom = phantom_of(cohort, participant, grids[routine])
    scans = scan(
        _generators(cohort, number)[1],
        phantom,
        grids,
        snr=cohort.snr_of(number),
        reference=routine,
        scanner=cohort.scanner_of(number),
        noise_free=cohort.noiseless,
    )

    uid_seed = cohort.uid_seed(number)
    about = {
        "study_uid": make_uid(f"{uid_seed}/study"),
        "group": cohort.groups()[participant],
        "seed": cohort.seed,
        "grid_alignment": cohort.alignment,
        "protocol": cohort.protocol,
        "drawn": cohort.drawn(number),
        "anatomy": cohort.made_from(number),
        "regions_from": cohort.labeller()[1],
        "traits": phantom.traits,
        "pose_axes": POSE,
        "poses": rounded_poses(scans),
    }
    with staged_folder(out) as folder:
        for protocol, geometry in grids.items():
            maps = scans.scans[protocol.name]
            write_scan(folder, maps, geometry, protocol, cohort.patient_id(number), uid_seed)
        _write_truth(folder / "truth", scans, phantom, about)
        for protocol in grids:
            if protocol != routine:
                write_moved_truth(folder / "truth", protocol.name, scans, phantom)


def rounded_poses(scans: SimulatedScans) -> dict[str, list[list[float]]]:
    """Scan to the poses of its delays, as truth.json has them."""
    return {name: pose.round(4).tolist() for name, pose in scans.poses.items()}


def number_of(participant: str) -> int:
    """Of a participant such as "sub-007"."""
    return int(participant.removeprefix("sub-"))


def _generators(cohort: CohortSettings, number: int) -> list[np.random.Generator]:
    """What draws a subject, and what draws the noise of its scans."""
    return np.random.default_rng([cohort.seed, number]).spawn(2)


def phantom_of(cohort: CohortSettings, participant: str, geometry: Geometry) -> Phantom:
    """Draws one subject of a cohort on the routine grid, a pure function of both.

    Raises:
        ValueError: a setting of the cohort is out of its range.
    """
    number, patient = number_of(participant), cohort.groups()[participant] == PATIENT
    return draw_phantom(
        _generators(cohort, number)[0],
        cohort.anatomy_of(number),
        geometry,
        patient=patient,
        plan=cohort.plan() if patient else None,
        labeller=cohort.labeller()[0],
        values=cohort.values,
    )


def write_scan(
    folder: Path,
    maps: np.ndarray,
    geometry: Geometry,
    protocol: Protocol,
    patient_id: str,
    uid_seed: str,
) -> None:
    """The T1, T2 and PD series of one scan, ``folder/<protocol>_<map>``."""
    for index, spec in enumerate(MAPS.values()):
        name = f"{protocol.name}_{spec.name}"
        acquisition = Acquisition(
            patient_id=patient_id,
            patient_name=f"SIMULATED^{patient_id}",
            study_uid=make_uid(f"{uid_seed}/study"),
            frame_uid=make_uid(f"{uid_seed}/frame"),
            study_date="20260101",
            study_time="080000",
            series_number=100 * protocol.matrix[0] + index,
            series_description=f"{spec.label} {protocol.name} simulated MDME",
            tr_ms=protocol.tr_ms,
            te_ms=protocol.te_ms[0],
            echo_train_length=protocol.train_length,
            matrix=protocol.matrix,
            field_strength_t=FIELD_STRENGTH_T,
        )
        volume = Volume(maps[..., index : index + 1], (spec.name,), geometry)
        write_acquired(
            volume, folder / name, acquisition=acquisition, uid_seed=f"{uid_seed}/{name}"
        )


def _over_field(geometry: Geometry, shape: tuple[int, int, int]) -> Geometry:
    """The grid of ``shape`` pixels between the outer edges of ``geometry``."""
    slice_mm, dy, dx = geometry.spacing_mm
    fields = geometry.shape[1] * dy, geometry.shape[2] * dx
    new = fields[0] / shape[1], fields[1] / shape[2]
    x, y, z = geometry.origin_mm
    return Geometry(
        origin_mm=(x + (new[1] - dx) / 2, y + (new[0] - dy) / 2, z),
        row_dir=geometry.row_dir,
        col_dir=geometry.col_dir,
        spacing_mm=(slice_mm, *new),
        shape=shape,
    )


def _write_truth(
    folder: Path, scans: SimulatedScans, phantom: Phantom, about: dict[str, object]
) -> None:
    """Maps and labels on the routine grid, and what the labels mean."""
    folder.mkdir()
    geometry = phantom.planes.geometry
    _write_maps(folder, MAP_FILES, scans.truth, geometry)
    if scans.noise_free is not None:
        _write_maps(folder, NOISE_FREE_FILES, scans.noise_free, geometry)
    for name, factor in scans.g_factor.items():
        grid = _over_field(geometry, factor.shape)
        write_nifti(factor.astype(np.float32), grid, folder / f"g_factor_{name}.nii.gz")
    _write_labels(folder, phantom.tissue, phantom.regions, phantom.lesion_labels, geometry)
    text = about | {
        "units": {spec.name: spec.unit for spec in MAPS.values()},
        "tissue_names": TISSUE_NAMES,
        "region_names": dict(enumerate(REGION_NAMES, start=1)),
        "lesion_kinds": {i: lesion.kind for i, lesion in enumerate(phantom.lesions, start=1)},
        "lesion_details": {
            i: {
                "radius_mm": round(lesion.radius_mm, 3),
                "t1_ms": round(float(lesion.value[0]), 1),
                "t2_ms": round(float(lesion.value[1]), 1),
                "pd_percent": round(float(lesion.value[2]), 2),
            }
            for i, lesion in enumerate(phantom.lesions, start=1)
        },
    }
    (folder / TRUTH_JSON).write_text(json.dumps(text, indent=1) + "\n")


def write_moved_truth(folder: Path, name: str, scans: SimulatedScans, phantom: Phantom) -> None:
    """Writes ``folder/<name>``, the truth as a scan met it; nothing where the head lay still.

    Args:
        folder: of the subject's truth.
        name: of the scan.
        scans: whose poses.
        phantom: the subject.
    """
    pose = scans.poses[name].mean(axis=0)
    if not pose.any():
        return
    found, geometry = moved_truth(phantom, pose), phantom.planes.geometry
    with staged_folder(folder / name) as place:
        _write_maps(place, MAP_FILES, found.maps, geometry)
        _write_labels(place, found.tissue, found.regions, found.lesions, geometry)


def _write_maps(
    folder: Path, files: Mapping[str, str], maps: np.ndarray, geometry: Geometry
) -> None:
    """T1, T2 and PD (z, y, x, 3), a file each."""
    for index, name in enumerate(MAPS):
        array = np.ascontiguousarray(maps[..., index], np.float32)
        write_nifti(array, geometry, folder / files[name])


def _write_labels(
    folder: Path, tissue: np.ndarray, regions: np.ndarray, lesions: np.ndarray, geometry: Geometry
) -> None:
    labels = {"tissue": tissue, "regions": regions, "lesions": lesions}
    for name, array in labels.items():
        write_nifti(array, geometry, folder / f"{name}.nii.gz")
