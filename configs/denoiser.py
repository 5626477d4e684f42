"""A denoiser of T1, T2 and PD maps, told the noise level: ``D(x, sigma) -> x``.

What: a U-Net that takes white noise of any strength up to ``objective.sigma_max`` off routine maps;
a prior for iterative reconstruction. It makes no maps from a scan: ``qsr predict`` refuses it.
Command:
    python -m launch.train --config configs/denoiser.py --data_dir DIR --workdir DIR
Hardware: 2 CPU cores are enough; hours not yet measured.
Result: not yet measured; validation stands beside the noisy maps themselves (``baseline_``).
"""

from ml_collections import ConfigDict

from configs import joint_maps


def get_config() -> ConfigDict:
    """The joint page with another network and objective."""
    config = joint_maps.get_config()
    config.task.context = 1  # a denoiser sees the maps that it cleans
    config.task.margin = 0
    config.data.crop = 32  # of the coarse grid: 64 pixels of the maps
    config.model = ConfigDict({"name": "unet", "features": 32, "depth": 2, "blocks": 1})
    config.objective = ConfigDict({"name": "denoising", "sigma_max": 0.2})
    return config
