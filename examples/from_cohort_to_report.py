# %% [markdown]
# # From a cohort to a report
#
# Simulated subjects are scanned fast and routine, paired and turned into records; a small network
# learns T1 from them; it super-resolves a subject it has not seen; the report says what its numbers
# are worth. At this size it trains for seconds: it shows how the parts fit, not what the method can
# do. Research use only, not for diagnosis.
#
#     python examples/from_cohort_to_report.py

# %%
import os
import subprocess
import sys
from pathlib import Path

import qsr_jax

folder = Path(os.environ.get("QSR_EXAMPLE_FOLDER", "from_cohort_to_report"))
data = Path(os.environ.get("QSR_EXAMPLE_DATA", folder))  # cohort, manifest.json and records
steps = int(os.environ.get("QSR_EXAMPLE_STEPS", "60"))


def qsr(*words: str | Path) -> None:
    """A command of the shell: in a notebook, `!qsr simulate ...`."""
    subprocess.run([sys.executable, "-m", "qsr_jax", *map(str, words)], check=True)


# %% [markdown]
# ## Data
#
# DICOM series of six healthy subjects and one with lesions, with the truth beside them. Your own
# scans begin at `qsr inspect`; see *Your own scans*. A subject is in one split only; patients only
# test.

# %%
if not (data / "records").exists():
    subjects = ("--subjects", "6", "--patients", "1", "--protocol", "tiny")
    qsr("simulate", "--out", data / "cohort", *subjects)
    tests = ("--test", "sub-001", "--test", "sub-002", "--test", "sub-003")  # and the patient
    split = ("--test-fraction", 0, *tests, "--validation", "sub-004")
    qsr("pair", "--dicom", data / "cohort", "--out", data / "manifest.json", *split)
    qsr("build", "--manifest", data / "manifest.json", "--data_dir", data / "records")

# %% [markdown]
# ## Train
#
# "quickstart" is a config page that is shipped; `overrides` changes single values, as
# `--config.KEY=VALUE` does for `qsr train`. Run it again and it goes on where it stopped.

# %%
trained = qsr_jax.train(
    "quickstart",
    data_dir=data / "records",
    workdir=folder / "maps",
    overrides={
        "schedule.steps": steps,
        "data.batch_size": 4,
        "data.crop": 16,
        "model.features": 8,
        "model.blocks": 1,
        "cadence.validate_every": steps,
    },
)
print(f"step {trained.step} of {trained.total_steps}")

# %% [markdown]
# ## Predict
#
# DICOM in, DICOM out, milliseconds kept. The last subject is the patient.

# %%
network = qsr_jax.load_predictor(folder / "maps")
patient = sorted((data / "cohort").glob("sub-*"))[-1]
made = folder / "predicted" / patient.name
if not made.exists():
    print(*qsr_jax.predict(network, patient, made))

# %% [markdown]
# ## Evaluate
#
# Every test subject, beside bicubic interpolation: errors, agreement, lesions, and the same numbers
# as csv and LaTeX. Open the page that is printed last.

# %%
report = qsr_jax.evaluate(
    [(data / "manifest.json", folder / "maps")],
    out=folder / "report",
    baselines=["bicubic"],
    workers=1,
)
print(report)
print(report.page)
