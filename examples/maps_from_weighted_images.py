# %% [markdown]
# # T1, T2 and PD from the scans that every hospital has
#
# A T1-weighted, a T2-weighted and a FLAIR series with their TR, TE and TI become T1, T2 and PD maps
# with a standard deviation of every voxel. This example makes itself a study of known maps; put
# your own three files and times in their place, or a folder of DICOM series (`read_dicom_study`).
# Research use only.
#
#     python examples/maps_from_weighted_images.py

# %%
import os
from pathlib import Path

import numpy as np

from qsr_jax.data.nifti.files import write_nifti
from qsr_jax.data.studies.weighted_study import parse_times, read_nifti_study
from qsr_jax.physics.weighted_signal import weighted_signals
from qsr_jax.predictors.weighted_network import load_weighted
from qsr_jax.predictors.weighted_study import predict_study
from qsr_jax.types import Geometry

folder = Path(os.environ.get("QSR_EXAMPLE_FOLDER", "maps_from_weighted_images"))
folder.mkdir(parents=True, exist_ok=True)
model = os.environ.get("QSR_EXAMPLE_MODEL", "weighted")  # or a file, or the workdir of a training

# %% [markdown]
# ## A study
#
# White matter in grey matter in fluid, scanned at TR 600, 4500 and 9000 ms. The scanner gives each
# series a gain of its own.

# %%
y, x = np.mgrid[:64, :64] - 31.5
tissue = np.select([np.hypot(y, x) < r for r in (15, 21, 25)], [1, 2, 3], 0)
values = np.array([[0, 0, 0], [850, 72, 70], [1350, 95, 82], [4200, 1700, 100]], np.float32)
truth = np.repeat(values[tissue][None], 2, 0)
times = parse_times("600,4500,9000", "12,100,110", "2450")
images = np.asarray(weighted_signals(truth[..., 0], truth[..., 1], truth[..., 2], times))
noise = np.random.default_rng(0).normal(0.0, 0.6, images.shape)
gains = {"t1w": 31.0, "t2w": 12.0, "flair": 55.0}
place = Geometry((0, 0, 0), (1, 0, 0), (0, 1, 0), (5.0, 0.9, 0.9), truth.shape[:3])
files = {name: folder / f"{name}.nii.gz" for name in gains}
for i, (name, gain) in enumerate(gains.items()):
    image = np.abs(images + noise)[..., i] * gain
    write_nifti(np.ascontiguousarray(image, np.float32), place, files[name])

# %% [markdown]
# ## Its maps
#
# The brain is found in the images. What lies outside the range that trained the model is said.

# %%
study = read_nifti_study(files, acquisition_ms=times)
predictor = load_weighted(model)
out = folder / "maps"
if not out.exists():
    for path in predict_study(predictor, study, out, format="nifti", subject="01"):
        print(path)

# %% [markdown]
# ## Beside what is true
#
# With gains of their own the three series say little pixel by pixel, and what the network answers
# leans on the anatomy it has learned; discs are none. Fitting the gains to that answer mends a part
# of it. Scanned with one gain, the physics tells.

# %%
images = np.abs(images + noise).astype(np.float32)
for gains in ("free", "fitted", "one"):
    made = predictor(images, times, place, brain=tissue[None].repeat(2, 0) > 0, gains=gains)
    for label, name in ((1, "white matter"), (2, "grey matter")):
        told = [np.median(a[:, tissue == label], (0, 1)) for a in (made.mean, made.std)]
        rows = zip(("T1", "T2", "PD"), *told, values[label], strict=True)
        words = ", ".join(f"{n} {v:.0f} ± {s:.0f} (true {t:.0f})" for n, v, s, t in rows)
        print(f"gains {gains}, {name}: {words}")
