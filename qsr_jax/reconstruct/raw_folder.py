"""Raw fingerprinting data on disk: a folder of one head, sealed when its last slice is there.

========================  ======================================================================
file                      content
========================  ======================================================================
``scan.npz``              ``points`` (arm, sample, 2) radians per pixel along y and x,
                          ``weights`` (arm, sample), ``arm_of`` (frame, interleaf),
                          ``coils`` (coil, y, x), ``flip_deg`` (frame,)
``slice_000.npz`` …       ``kspace`` (coil, frame, interleaf, sample) complex64, ``noise_std`` of a
                          complex sample, 0 where it is not known. Where ``made_from`` says
                          ``slab``, the steps of phase encoding across it stand for slices
``truth/``                of a simulated scan: T1, T2 and PD that it was made from, and
                          ``lesions.nii.gz`` where lesions were put in
``raw.json``              the seal: format, times of the train, where the voxels lie, what it was
                          made from, and size and sha256 of every file; written last
========================  ======================================================================
"""

import dataclasses
import functools
import io
import json
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from qsr_jax.files.atomic import write_bytes_atomically, write_text_atomically
from qsr_jax.files.seal import FileFacts, SealError, check_files, facts_of, read_seal, write_seal
from qsr_jax.ops.partitions import slices_of
from qsr_jax.physics.fingerprint_scan import FingerprintScan, Sampling
from qsr_jax.physics.fingerprint_train import FispTrain
from qsr_jax.types import Geometry

FORMAT = "qsr_jax raw fingerprinting 1"
SEAL, SCAN, STARTED = "raw.json", "scan.npz", "started.json"
LESIONS_FILE = "lesions.nii.gz"
KEYS = ("format", "train", "geometry", "slices", "made_from", "files")
ARRAYS = ("points", "weights", "arm_of", "coils", "flip_deg")
Sampled = Callable[[int], tuple[np.ndarray, float]]
"""Number of a slice to its samples and their noise's standard deviation."""


@dataclasses.dataclass(frozen=True)
class RawFolder:
    """A head's raw data, opened; slices are read one by one.

    Attributes:
        folder: where it lies.
        scan: what all slices share.
        geometry: where the voxels of the slices lie.
        slices: files, from the feet up.
        made_from: what it says of its origin.
    """

    folder: Path
    scan: FingerprintScan
    geometry: Geometry
    slices: tuple[str, ...]
    made_from: Mapping[str, Any]

    @property
    def slab(self) -> bool:
        """Whether the files hold steps of phase encoding; all are read at once then."""
        return bool(self.made_from.get("slab", False))

    def read(self, number: int) -> tuple[np.ndarray, float]:
        """Samples of a slice, and the standard deviation of their complex noise.

        Raises:
            ValueError: they are not this scan's, or hold NaN.
        """
        return self._whole[number] if self.slab else self._file(number)

    @functools.cached_property
    def _whole(self) -> list[tuple[np.ndarray, float]]:
        """All slices of a slab; its noise is white, and stays so."""
        steps, stds = zip(*(self._file(n) for n in range(len(self.slices))), strict=True)
        noise_std = float(np.sqrt(np.mean(np.square(stds))))
        return [(kspace, noise_std) for kspace in slices_of(np.stack(steps))]

    def _file(self, number: int) -> tuple[np.ndarray, float]:
        name = self.slices[number]
        content = _load(self.folder / name, ("kspace", "noise_std"))
        kspace = self.scan.checked(content["kspace"], where=str(self.folder / name))
        return kspace, float(content["noise_std"])


def slice_name(number: int) -> str:
    """File of a slice."""
    return f"slice_{number:03d}.npz"


def open_raw(folder: Path) -> RawFolder:
    """Opens raw data, every byte of it compared with the seal.

    Raises:
        ValueError: no seal, a file missing or changed, no trajectory, or parts that contradict each
            other.
    """
    if not folder.is_dir():
        raise ValueError(f"{folder}: expected a folder of raw data; qsr simulate-mrf makes one")
    if not (folder / SEAL).exists():
        raise ValueError(
            f"{folder}: no {SEAL}: not raw data, or not finished; run the command that makes it "
            "again, it goes on where it was killed"
        )
    try:
        seal = read_seal(folder / SEAL, KEYS)
        if seal["format"] != FORMAT:
            raise SealError(f"{SEAL}: format {seal['format']!r}, expected {FORMAT!r}")
        facts = {name: FileFacts(*held) for name, held in seal["files"].items()}
        missing = [name for name in (SCAN, *seal["slices"]) if name not in facts]
        missing += [name for name in facts if not (folder / name).is_file()]
        if missing:
            raise SealError(f"{missing[0]}: missing")
        check_files(folder, facts, list(facts))
        content = _load(folder / SCAN, ARRAYS)
        geometry = Geometry(**{key: tuple(value) for key, value in seal["geometry"].items()})
        train = FispTrain(tuple(content["flip_deg"].tolist()), **seal["train"])
    except (SealError, TypeError, AttributeError) as error:
        raise ValueError(f"{folder}: {error}") from None
    scan = FingerprintScan(
        train,
        Sampling(content["points"], content["weights"], content["arm_of"]),
        content["coils"],
    )
    if scan.shape != geometry.shape[1:] or len(seal["slices"]) != geometry.shape[0]:
        raise ValueError(
            f"{folder}: coils of {scan.shape} and {len(seal['slices'])} slices; expected "
            f"{geometry.shape} as the geometry says"
        )
    return RawFolder(folder, scan, geometry, tuple(seal["slices"]), seal["made_from"])


def _load(path: Path, names: tuple[str, ...]) -> dict[str, np.ndarray]:
    """The named arrays of a file."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as content:
            held = {name: content[name] for name in names if name in content}
    except (OSError, EOFError, ValueError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path}: not a readable .npz file ({type(error).__name__})") from None
    missing = [name for name in names if name not in held]
    if missing:
        raise ValueError(f"{path}: no {missing[0]}; expected {', '.join(names)}")
    return held


def write_raw(
    out: Path,
    scan: FingerprintScan,
    geometry: Geometry,
    sampled: Sampled,
    *,
    made_from: Mapping[str, Any],
    write_truth: Callable[[Path], None] | None = None,
) -> None:
    """Writes raw data slice by slice; killed and called again, it does what is missing.

    Args:
        out: folder; empty, not there, or begun with the same arguments.
        scan: what all slices share.
        geometry: where the voxels lie.
        sampled: makes a slice.
        made_from: everything the samples depend on, as JSON; tells whether a folder is the same.
            With ``slab``, ``sampled`` makes steps of phase encoding across a slab.
        write_truth: fills the folder ``truth``.

    Raises:
        FileExistsError: it is finished.
        ValueError: it holds something else.
        OSError: it could not be written.
    """
    if (out / SEAL).exists():
        raise FileExistsError(f"{out}: exists already; remove it or choose another path")
    started = json.dumps(dict(made_from), sort_keys=True)
    if out.exists() and any(out.iterdir()):
        begun = out / STARTED
        if not begun.is_file() or begun.read_text(encoding="utf-8") != started:
            raise ValueError(
                f"{out}: holds files that were not begun with these arguments; give the same ones, "
                "or choose another path"
            )
    out.mkdir(parents=True, exist_ok=True)
    write_text_atomically(out / STARTED, started)
    names = [slice_name(number) for number in range(geometry.shape[0])]
    for number in tqdm(range(len(names)), "sampling", unit="slice", mininterval=1):
        if not (out / names[number]).exists():
            kspace, noise_std = sampled(number)
            _save(out / names[number], kspace=kspace, noise_std=np.asarray(noise_std))
    sampling = scan.sampling
    _save(
        out / SCAN,
        points=sampling.points,
        weights=sampling.weights,
        arm_of=sampling.arm_of,
        coils=scan.coils,
        flip_deg=np.asarray(scan.train.flip_deg),
    )
    if write_truth is not None:
        (out / "truth").mkdir(exist_ok=True)
        write_truth(out / "truth")
    _seal(out, scan, geometry, names, made_from)


def _seal(
    out: Path,
    scan: FingerprintScan,
    geometry: Geometry,
    names: list[str],
    made_from: Mapping[str, Any],
) -> None:
    held = [p.relative_to(out).as_posix() for p in sorted(out.rglob("*")) if p.is_file()]
    train = scan.train
    content = {
        "format": FORMAT,
        "train": {"ti_ms": train.ti_ms, "tr_ms": train.tr_ms, "te_ms": train.te_ms},
        "geometry": dataclasses.asdict(geometry),
        "slices": names,
        "made_from": dict(made_from),
        "files": facts_of(out, [name for name in held if name != STARTED]),
    }
    write_seal(out / SEAL, content)
    (out / STARTED).unlink()


def _save(path: Path, **arrays: np.ndarray) -> None:
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    write_bytes_atomically(path, buffer.getvalue())
