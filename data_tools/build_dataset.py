"""Builds sharded training records (tfds, array_record) of T1, T2 and PD from a manifest.

Safe to run twice: a whole dataset of the same manifest is left alone, a half-written one is built
again, one of another manifest is refused. Every subject is in one split only, or nothing is built.
"""

import argparse
import shutil
from pathlib import Path

from data_tools.qmri_pairs.qmri_pairs_dataset_builder import Masks, build
from data_tools.qmri_pairs.subject_slices import Run, workers
from qsr_jax.cli import program
from qsr_jax.data.records.open import (
    DatasetError,
    dataset_folder,
    fingerprint_of,
    half_written,
    split_lengths,
)
from qsr_jax.data.studies.manifest import Manifest
from qsr_jax.maps import MAPS


def main(argv: list[str] | None = None) -> None:
    """Runs the door; errors of the user's end in one line and exit status 1."""
    args = _parser().parse_args(argv)
    try:
        if args.workers < 1:
            raise ValueError(f"--workers must be at least 1; got {args.workers}")
        with workers(args.workers) as run:
            _build_all(args.manifest, args.data_dir.resolve(), args.fold, (run, args.workers))
    except (ValueError, OSError) as error:
        raise SystemExit(f"error: {error}") from None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=program("data_tools.build_dataset"),
        description=__doc__,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--manifest", type=Path, required=True, metavar="FILE", help="from data_tools.pair_studies")
    add("--data_dir", type=Path, required=True, metavar="DIR", help="receives qmri_pairs/")
    add("--fold", metavar="K/N", help="split as this fold of the manifest says, such as 3/5")
    add("--workers", type=int, default=1, help="processes that read; the bytes do not depend on it")
    return parser


def _build_all(manifest_path: Path, data_dir: Path, fold: str | None, run: tuple[Run, int]) -> None:
    manifest = Manifest.load(manifest_path).in_fold(fold)
    masks: Masks = {}
    for name in MAPS:
        folder = dataset_folder(data_dir, name, fold)
        for leftover in half_written(folder):
            print(f"{leftover}: half-written by a build that was cut off; removed")
            if leftover.is_dir():
                shutil.rmtree(leftover)
            else:
                leftover.unlink()
        if _is_built(folder, manifest.fingerprint):
            print(f"{folder}: already built from this manifest")
            continue
        build(manifest_path, data_dir, name, fold=fold, masks=masks, run=run)
        lengths = split_lengths(folder)
        print(f"{folder}: {', '.join(f'{n} {split}' for split, n in lengths.items())} slices")


def _is_built(folder: Path, fingerprint: str) -> bool:
    """Whether the dataset is whole and of this manifest; refuses one of another manifest."""
    if not folder.is_dir():
        return False
    if fingerprint_of(folder) != fingerprint:
        raise DatasetError(
            f"{folder}: was built from another manifest; remove it or choose another --data_dir"
        )
    return True


if __name__ == "__main__":
    main()
