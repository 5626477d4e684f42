"""Feeds damaged DICOM files to the reader and counts what happens. Run by hand:

    TMPDIR=/dev/shm python tests/data/fuzz_dicom.py --files 100000 --seed 1

Every file must end as a refusal (DicomInputError) or as a series; nothing else may come out, none
may take more than a second or the process more than 1 GiB. A file is a function of (seed, number),
so that what was found can be found again (--first N --files 1).
"""

import argparse
import collections
import contextlib
import dataclasses
import io
import resource
import shutil
import struct
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent / "fixtures"), str(HERE.parents[1])]

from dicom_factory import CANARY, make_slices, set_stored, stored_slice
from multiframe_factory import (
    ENHANCED,
    PARAMETRIC,
    groups,
    make_frames,
    real_world,
    rescale,
    set_frames,
)
from pydicom.dataset import Dataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)

from qsr_jax.data.dicom import DecodeWorker, DicomInputError, Series, read_series

MOST_SECONDS = 1.0
MOST_BYTES = 2**30
KIB = 1024  # what Linux counts ru_maxrss in


@dataclasses.dataclass
class Outcome:
    """What became of the files.

    Attributes:
        counts: "refused", "unchanged" or "changed" (values differ from the undamaged file's).
        reasons: keyword of each refusal to its number.
        uncaught: file number to what came out instead of DicomInputError.
        leaks: file number to a message that repeats a personal value.
        slow: file number to seconds.
        silent: files whose values changed and whose digest did not.
        most_bytes: largest memory of this process and of the decoder's.
    """

    counts: collections.Counter = dataclasses.field(default_factory=collections.Counter)
    reasons: collections.Counter = dataclasses.field(default_factory=collections.Counter)
    uncaught: dict[int, str] = dataclasses.field(default_factory=dict)
    leaks: dict[int, str] = dataclasses.field(default_factory=dict)
    slow: dict[int, float] = dataclasses.field(default_factory=dict)
    silent: int = 0
    most_bytes: int = 0


def seeds() -> dict[str, list[bytes]]:
    """Undamaged series, each in another encoding: name to its files."""
    native = (
        ("explicit", ExplicitVRLittleEndian),
        ("implicit", ImplicitVRLittleEndian),
        ("big endian", ExplicitVRBigEndian),
        ("deflated", DeflatedExplicitVRLittleEndian),
    )
    coded = (
        ("RLE", RLELossless, "pydicom"),
        ("JPEG-LS", JPEGLSLossless, "pyjpegls"),
        ("JPEG 2000", JPEG2000Lossless, "pylibjpeg"),
    )
    found = {}
    for name, syntax in native:
        slices = make_slices()[:2]
        for index, ds in enumerate(slices):
            ds.file_meta.TransferSyntaxUID = syntax
            order = ">u2" if syntax == ExplicitVRBigEndian else "<u2"
            ds.PixelData = stored_slice(index).astype(order).tobytes()
        found[name] = [encoded(ds) for ds in slices]
    for name, syntax, plugin in coded:
        slices = make_slices()[:2]
        for index, ds in enumerate(slices):
            set_stored(ds, np.tile(stored_slice(index), (2, 2)))
            ds.compress(syntax, encoding_plugin=plugin, generate_instance_uid=False)
        found[name] = [encoded(ds) for ds in slices]
    enhanced, floats = make_frames(ENHANCED), make_frames(PARAMETRIC)
    for group in groups(enhanced):
        group.PixelValueTransformationSequence = rescale(0.1)
    floats.SharedFunctionalGroupsSequence[0].RealWorldValueMappingSequence = real_world(1.0)
    stored = np.stack([stored_slice(index) for index in range(5)])
    set_frames(floats, (stored * 0.1).astype(np.float32))
    return found | {"enhanced": [encoded(enhanced)], "parametric": [encoded(floats)]}


def encoded(ds: Dataset) -> bytes:
    buffer = io.BytesIO()
    ds.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def flip(content: bytearray, rng: np.random.Generator) -> None:
    """A few bits."""
    for at in rng.integers(0, len(content), rng.integers(1, 9)):
        content[at] ^= 1 << int(rng.integers(8))


def overwrite(content: bytearray, rng: np.random.Generator) -> None:
    at, n = int(rng.integers(len(content))), int(rng.integers(1, 33))
    content[at : at + n] = rng.bytes(len(content[at : at + n]))


def cut(content: bytearray, rng: np.random.Generator) -> None:
    del content[int(rng.integers(len(content))) :]


def remove(content: bytearray, rng: np.random.Generator) -> None:
    at = int(rng.integers(len(content)))
    del content[at : at + int(rng.integers(1, 65))]


def insert(content: bytearray, rng: np.random.Generator) -> None:
    at = int(rng.integers(len(content)))
    content[at:at] = rng.bytes(int(rng.integers(1, 65)))


def repeat(content: bytearray, rng: np.random.Generator) -> None:
    """A piece of the file a second time, somewhere."""
    start, at = (int(v) for v in rng.integers(0, len(content), 2))
    content[at:at] = content[start : start + int(rng.integers(4, 257))]


def extreme(content: bytearray, rng: np.random.Generator) -> None:
    """A length, count or size at its largest or smallest."""
    at = int(rng.integers(132, min(len(content), 2500)))
    number = int(rng.choice([0, 1, 0x7FFFFFFF, 0xFFFFFFFE, 0xFFFFFFFF]))
    size = int(rng.choice([2, 4]))
    content[at : at + size] = struct.pack("<I", number)[:size]


def text(content: bytearray, rng: np.random.Generator) -> None:
    """A number in the head is another number, or none."""
    words = [b"0", b"-1", b"1e999", b"NaN", b"9" * 16, b"\\", b"1\\2\\3", b"\xff\xfe", b"1.2.3.4"]
    digits = [at for at in range(140, min(len(content), 2500)) if 48 <= content[at] <= 57]
    if digits:
        at, word = int(rng.choice(digits)), words[int(rng.integers(len(words)))]
        content[at : at + len(word)] = word


MUTATIONS: tuple[Callable[[bytearray, np.random.Generator], None], ...] = (
    *(flip, overwrite, cut, remove, insert, repeat, extreme, text),
)


class Fuzzer:
    """Reads damaged files, one at a time, and counts."""

    def __init__(self, folder: Path, worker: DecodeWorker) -> None:
        self.worker, self.outcome, self.originals = worker, Outcome(), {}
        for name, files in seeds().items():
            (folder / name).mkdir()
            for index, content in enumerate(files):
                (folder / name / f"{index}.dcm").write_bytes(content)
            good = read_series(folder / name, worker=worker)
            self.originals[name] = folder / name / "0.dcm", files[0], good

    def one(self, seed: int, number: int) -> None:
        """Damages, reads and counts file ``number``."""
        rng = np.random.default_rng([seed, number])
        path, content, good = self.originals[list(self.originals)[number % len(self.originals)]]
        damaged = bytearray(content)
        for _ in range(int(rng.integers(1, 3))):
            MUTATIONS[int(rng.integers(len(MUTATIONS)))](damaged, rng)
            if len(damaged) < 200:
                break
        path.write_bytes(damaged)
        started = time.perf_counter()
        self.read(number, path, good)
        seconds = [time.perf_counter() - started]
        while min(seconds) > MOST_SECONDS and len(seconds) < 3:  # the machine may have been busy
            started = time.perf_counter()
            with contextlib.suppress(DicomInputError):
                read_series(path.parent, worker=self.worker)
            seconds.append(time.perf_counter() - started)
        if min(seconds) > MOST_SECONDS:
            self.outcome.slow[number] = min(seconds)

    def read(self, number: int, path: Path, good: Series) -> None:
        """Reads and counts a damaged file."""
        try:
            self.count(read_series(path.parent, worker=self.worker), good)
        except DicomInputError as error:
            self.outcome.counts["refused"] += 1
            self.outcome.reasons[error.keyword] += 1
            said = str(error).replace(str(path.parent), "")
            if CANARY in said or "19700101" in said or "1.2.826.0.1" in said:
                self.outcome.leaks[number] = said
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            self.outcome.uncaught[number] = f"{type(error).__name__}: {error}"

    def count(self, series: Series, good: Series) -> None:
        """Compares an accepted series with the undamaged one."""
        same = (
            series.map_name == good.map_name
            and series.volume.geometry == good.volume.geometry
            and np.array_equal(series.volume.maps, good.volume.maps)
        )
        self.outcome.counts["unchanged" if same else "changed"] += 1
        self.outcome.silent += not same and series.sha256 == good.sha256


def run(files: int, *, seed: int, first: int = 0) -> Outcome:
    """Reads ``files`` damaged files, numbered from ``first``."""
    folder = Path(tempfile.mkdtemp())
    try:
        with DecodeWorker() as worker:
            fuzzer = Fuzzer(folder, worker)
            for number in range(first, first + files):
                fuzzer.one(seed, number)
    finally:
        shutil.rmtree(folder)
    use = (resource.getrusage(w) for w in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    fuzzer.outcome.most_bytes = KIB * max(u.ru_maxrss for u in use)
    return fuzzer.outcome


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    started = time.perf_counter()
    found = run(args.files, seed=args.seed, first=args.first)
    lines = (
        f"{args.files} files of seed {args.seed} in {time.perf_counter() - started:.0f} s",
        f"{dict(found.counts)}; of the changed, digest unchanged: {found.silent}",
        f"refused by {dict(found.reasons.most_common(12))}",
        f"largest memory {found.most_bytes / 2**20:.0f} MiB",
        f"slower than 1 s: {found.slow}, uncaught: {found.uncaught}, leaks: {found.leaks}",
    )
    sys.stdout.write("\n".join(lines) + "\n")
    bad = found.slow, found.uncaught, found.leaks, found.silent
    if any(bad) or found.most_bytes > MOST_BYTES:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
