# %% [markdown]
# # Do my values agree with the reference?
#
# Two ways of measuring T1 and T2 in the same subjects, one value per subject and region, in any
# table. This example writes itself such a table; put your own path in `table` and your own column
# names in `columns`. Research use only.
#
#     python examples/agreement_of_my_values.py

# %%
import os
from pathlib import Path

import numpy as np

import qsr_jax

folder = Path(os.environ.get("QSR_EXAMPLE_FOLDER", "agreement_of_my_values"))
folder.mkdir(parents=True, exist_ok=True)

# %% [markdown]
# ## The table
#
# One positive number per line. The subject is the unit of analysis: regions of one subject are not
# independent, so every region is compared on its own. Here the fast scan reads T1 of white matter
# 12 ms too high and T2 as it is, with 1 % noise of its own.

# %%
rng = np.random.default_rng(20260101)
lines = ["participant,roi,map,unit,scan,value"]
for subject in range(1, 25):
    for roi, t1_ms, t2_ms in (("white matter", 815.0, 72.0), ("grey matter", 1290.0, 95.0)):
        for name, mean, bias_ms in (("t1", t1_ms, 12.0), ("t2", t2_ms, 0.0)):
            true = mean * rng.normal(1.0, 0.04)
            bias = bias_ms if roi == "white matter" else 0.0
            for scan, value in (
                ("routine", true * rng.normal(1.0, 0.005)),
                ("fast", (true + bias) * rng.normal(1.0, 0.01)),
            ):
                lines.append(f"sub-{subject:03d},{roi},{name},ms,{scan},{value:.2f}")
table = folder / "my_values.csv"
table.write_text("\n".join(lines) + "\n", encoding="utf-8")
print(*lines[:4], sep="\n")

# %% [markdown]
# ## The question
#
# `margin_percent` is yours to answer *before* you look: the largest difference that would not
# matter, in percent of the reference's mean. `test` says whose question it is: all its comparisons
# are one family, and other methods of the table cost it nothing. Every comparison gets two answers.
# *The mean*: do the methods agree on average? A method that prints the population mean would pass.
# *Each subject*: can a single person's number be used?

# %%
found = qsr_jax.agreement(
    table,
    reference="routine",
    test="fast",
    margin_percent=5.0,
    repeatability=["t1=30", "t2=2.5%"],
    columns={"subject": "participant", "region": "roi", "method": "scan"},
    out=folder / "agreement",
)
print(found)

# %% [markdown]
# `repeatability` is what two routine scans of one person differ by (here stated; a method of the
# table that is the reference measured again would do, with `repeat`). A margin below it cannot be
# kept by the reference itself, and the answer would be "undecidable".

# %% [markdown]
# ## The numbers, one by one
#
# Each comparison holds its paired tests, Bland-Altman limits, regressions and coefficients. The
# shift of 12 ms that was put in comes out of T1 in white matter, within its interval.

# %%
for row in found.rows:
    print(f"{row.endpoint}: the mean {row.mean.outcome}, each subject {row.individual.outcome}")
    print(f"    {row.individual.reason}")
for comparison in found.comparisons:
    where, altman = comparison.endpoint, comparison.bland_altman
    low, high = altman.bias_interval.low, altman.bias_interval.high
    print(
        f"{where.map} {where.region}: bias {altman.bias:+.1f} ms ({low:+.1f} to {high:+.1f}), "
        f"95 % of differences between {altman.low:+.1f} and {altman.high:+.1f} ms"
    )

# %% [markdown]
# ## A value that is missing
#
# One bad cell does not end a table: its comparison says why it was not computed, the rest goes on.

# %%
lines[-1] = lines[-1].rpartition(",")[0] + ",n/a"
table.write_text("\n".join(lines) + "\n", encoding="utf-8")
again = qsr_jax.agreement(
    table,
    reference="routine",
    margin_percent=5.0,
    columns={"subject": "participant", "region": "roi", "method": "scan"},
)
for row in again.missing:
    print(row.endpoint, "-", row.missing)

# %% [markdown]
# ## The page
#
# The folder holds the verdicts as a page, every number as csv, json and LaTeX, and the plots.

# %%
for path in sorted((folder / "agreement").iterdir()):
    print(path)
