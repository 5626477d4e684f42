# %% [markdown]
# # T1, T2 and PD from a fingerprinting scan
#
# A short scan of a small head, simulated: one spiral arm in each of a hundred frames, four coils,
# noise. Its raw data are read and reconstructed by two methods, and a page shows what each misses.
# Your own raw data take the place of the simulated folder: docs/fingerprinting.md says what is in
# it. Research use only.
#
#     python examples/maps_from_fingerprints.py

# %%
import os
from pathlib import Path

import numpy as np

from qsr_jax.evaluation.report.reconstruction import reconstruction_page
from qsr_jax.physics.fingerprint_scan import FingerprintScan, spiral_sampling
from qsr_jax.physics.fingerprint_train import FispTrain, ramps
from qsr_jax.reconstruct.head import Method, reconstruct_head
from qsr_jax.reconstruct.raw_folder import open_raw, write_raw
from qsr_jax.simulate.fingerprinting import simulate_kspace, wire_coils
from qsr_jax.types import Geometry

folder = Path(os.environ.get("QSR_EXAMPLE_FOLDER", "maps_from_fingerprints"))
folder.mkdir(parents=True, exist_ok=True)

# %% [markdown]
# ## A scan
#
# White matter with a lesion, in a rim of grey. The train has both lobes: the second, of 75 degrees,
# tells T2.

# %%
pixels = 48
y, x = np.mgrid[:pixels, :pixels] - pixels // 2
kind = np.select([np.hypot(y - 4, x) < 4, np.hypot(y, x) < 14, np.hypot(y, x) < 19], [3, 1, 2], 0)
values = np.array([[0, 0, 0], [800, 70, 0.7], [1300, 90, 0.8], [1400, 150, 0.8]], np.float32)
truth = values[kind][None]
train = FispTrain(ramps((0.0, 25.0, 0.0, 75.0, 0.0, 8.0), (20, 20, 20, 20, 20)))
sampling = spiral_sampling(pixels, train.frames, acceleration=8)
scan = FingerprintScan(train, sampling, wire_coils(4, pixels))
place = Geometry((0, 0, 0), (1, 0, 0), (0, 1, 0), (5.0, 4.0, 4.0), truth.shape[:3])
raw_data = folder / "raw"
if not raw_data.exists():
    write_raw(
        raw_data,
        scan,
        place,
        lambda number: simulate_kspace((0, number), truth[number], scan, snr_db=30.0),
        made_from={"example": 1},
    )

# %% [markdown]
# ## Its maps
#
# `qsr reconstruct --input raw --method lrtv` does the same; `--model mrf` has a trained denoiser.

# %%
raw = open_raw(raw_data)
for name in ("svd", "lrtv"):
    maps, strength = reconstruct_head(raw, Method(name))
    page, errors = reconstruction_page(
        maps, truth, kind[None] > 0, (kind[None] == 3).astype(np.uint8), about={"method": name}
    )
    (folder / f"{name}.html").write_text(page, encoding="utf-8")
    told = (f"{label} {e.absolute:.1f} %" for label, e in errors["white matter"].items())
    print(f"{name}: white matter", *told)
