"""Tables of noise and resolution, and of labels found in the maps against the truth's."""

from collections.abc import Iterator

from qsr_jax import statistics
from qsr_jax.evaluation.cohort import Cohort
from qsr_jax.evaluation.measure import labels, noise_and_resolution
from qsr_jax.evaluation.measure.subject import Value
from qsr_jax.evaluation.sections.common import named
from qsr_jax.evaluation.tables.findings import DetailRow, LabelRow
from qsr_jax.maps import spec_of

QUANTITIES = (
    noise_and_resolution.NOISE,
    noise_and_resolution.OF_TRUTH,
    noise_and_resolution.OF_REPEAT,
)


def detail_rows(cohort: Cohort) -> Iterator[DetailRow]:
    """One row per map and quantity; a method may have it in some subjects only, see its n."""
    rows = [v for v in cohort.values if v.kind == noise_and_resolution.KIND]
    for name in cohort.maps:
        for quantity in QUANTITIES:
            mine = {v.method: v for v in rows if (v.map, v.quantity) == (name, quantity)}
            if not mine:
                continue
            row = f"{spec_of(name).label} {quantity}"
            yield DetailRow(
                row=row,
                map=name,
                quantity=quantity,
                unit=next(iter(mine.values())).unit,
                convention={m: v.convention for m, v in mine.items()},
                by_method={
                    m: named(
                        f"{row} {m}",
                        statistics.describe,
                        list(
                            cohort.of(
                                noise_and_resolution.KIND, "brain", name, quantity, m
                            ).values()
                        ),
                    )
                    for m in mine
                },
            )


def label_rows(cohort: Cohort) -> Iterator[LabelRow]:
    """One row per tissue and region; nothing unless labels were found beside the truth's."""
    places: dict[str, list[Value]] = {}
    for v in cohort.values:
        if v.kind == labels.KIND:
            places.setdefault(v.place, []).append(v)
    for place, mine in places.items():
        dice = [v.value for v in mine if v.quantity == labels.DICE]
        apart = [v.value for v in mine if v.quantity == labels.CENTROID]
        shift = {
            name: [v.value for v in mine if (v.quantity, v.map) == (labels.SHIFT, name)]
            for name in cohort.maps
        }
        yield LabelRow(
            row=place,
            place=place,
            n=len(dice),
            dice=statistics.describe(dice),
            centroid_mm=statistics.describe(apart) if apart else None,
            largest_mm=max(apart, default=None),
            shift_percent={n: statistics.describe(v) for n, v in shift.items() if v},
        )
