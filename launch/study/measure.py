"""The values of a trained cell beside scans and bicubic, which are measured once per manifest."""

import dataclasses
import functools
from collections.abc import Iterator, Sequence
from pathlib import Path

from qsr_jax.checkpoint import LATEST
from qsr_jax.evaluation.cohort import Cohort
from qsr_jax.evaluation.measure_cohort import files_beside, measure_subjects, see
from qsr_jax.evaluation.measure_views import (
    Material,
    MeasureOptions,
    Seen,
    Tested,
    tested_subjects,
    values_of_twin,
    values_of_view,
)
from qsr_jax.evaluation.trainings import Run, identity, load_runs
from qsr_jax.evaluation.value_cache import ValueCache, key_of
from qsr_jax.evaluation.values import BICUBIC, TRAINED, Value
from qsr_jax.files.digest import json_sha256

KEPT = 16
"""Subjects held in memory from cell to cell, 0.3 GB each of the paper's matrix: to read one and to
bring together what moved takes 0.7 of the processor time of measuring a network on them."""


def cohort_of(manifest: Path, workdirs: Sequence[Path], *, split: str, cache: Path) -> Cohort:
    """Every value of the subjects of a split, by the fast scan, bicubic, the networks and routine.

    Args:
        manifest: lists the subjects.
        workdirs: of the networks, which together make every map once.
        split: whom to measure.
        cache: folder that keeps what no network changes for the next cell.

    Raises:
        LeakageError: a network may know a subject.
        ValueError: nobody in the split, or what manifest, scans or networks have to complain about.
    """
    (run,) = load_runs([(manifest, workdirs)], split=split, trained_on=None, which=LATEST)
    options, kept = MeasureOptions(split, (BICUBIC,), None), ValueCache(cache)
    key = _key(run, split)
    scans = kept.get(key)
    if scans is None:
        values, _ = measure_subjects([run], options, ValueCache(None), workers=1)
        scans = [value for value in values if value.method != TRAINED]
        kept.put(key, scans)
        return Cohort(values)
    return Cohort([*scans, *_trained(run, options)])


def _key(run: Run, split: str) -> str:
    """Of what no network changes: the subjects, their scans and what lies beside them."""
    tested = tested_subjects([run])
    return key_of(
        scans=run.manifest.fingerprint, split=split, beside=[files_beside(one) for one in tested]
    )


def _trained(run: Run, options: MeasureOptions) -> Iterator[Value]:
    """The values of the networks alone, where the fast scan saw the head."""
    nothing = Material({}, {})
    for one in tested_subjects([run]):
        key = json_sha256([run.manifest.fingerprint, identity(one.subject), options.split])
        seen = _seen(_Somebody(key, one, options))
        made = {TRAINED: run.trained(seen.case.fast)}
        yield from values_of_view(seen.views[0], run, made, nothing, options, scans=False)
        yield from values_of_twin(run, seen, made, nothing, options.split, scans=False)


@dataclasses.dataclass(frozen=True)
class _Somebody:
    """A subject; which training tests on them does not matter to what is read of them."""

    key: str
    tested: Tested = dataclasses.field(compare=False)
    options: MeasureOptions = dataclasses.field(compare=False)


@functools.lru_cache(maxsize=KEPT)
def _seen(somebody: _Somebody) -> Seen:
    """Reads a subject as :func:`see`, once for all cells of a process."""
    return see(somebody.tested, somebody.options, scans=False)
