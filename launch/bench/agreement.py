"""Benchmark of the agreement of big tables: from the csv file to tables, page and plots."""

import resource
import tempfile
import time
from collections.abc import Iterable, Iterator
from itertools import product
from pathlib import Path

import numpy as np

from qsr_jax.agreement_report import agreement
from qsr_jax.agreement_report.write import Drawing

Row = dict[str, float | int | str]

SHAPES = ((1000, 20, 2, 2), (1000, 250, 1, 4), (1000, 40, 5, 5))
"""Regions, subjects, maps and methods (the reference included): 80,000 rows, and a million twice,
as 3,000 comparisons and as 20,000."""


def bench() -> Iterator[Row]:
    """Seconds and memory for each of :data:`SHAPES`, the smallest first."""
    for shape in SHAPES:
        with tempfile.TemporaryDirectory() as folder:
            yield _one(Path(folder), *shape)


def _one(folder: Path, regions: int, subjects: int, maps: int, methods: int) -> Row:
    table = folder / "values.csv"
    write_values(table, regions, subjects, maps, methods)
    start, cpu = time.perf_counter(), time.process_time()
    saved: list[float] = []

    def watched(drawings: Iterable[Drawing], **_: object) -> Iterable[Drawing]:
        saved.append(time.perf_counter() - start)
        return drawings

    found = agreement(table, reference="m0", margin_percent=5.0, out=folder / "out", watch=watched)
    return {
        "what": "agreement",
        "rows": regions * subjects * maps * methods,
        "regions": regions,
        "subjects": subjects,
        "comparisons": len(found.rows),
        "tables_saved_s": round(saved[0], 2),
        "seconds": round(time.perf_counter() - start, 2),
        "cpu_seconds": round(time.process_time() - cpu, 2),
        "peak_memory_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }


def write_values(table: Path, regions: int, subjects: int, maps: int, methods: int) -> None:
    """A table of values near 1000 with 1 % of noise; what stands in it does not change the time."""
    rng = np.random.default_rng(0)
    with table.open("w", encoding="utf-8") as file:
        file.write("subject,region,map,unit,method,value\n")
        for kind, region in product(range(maps), range(regions)):
            true = rng.normal(1000.0, 50.0, subjects)
            for method in range(methods):
                values = (true * rng.normal(1.0, 0.01, subjects)).round(2).tolist()
                file.writelines(
                    f"p{i},r{region},map {kind},ms,m{method},{v}\n" for i, v in enumerate(values)
                )
