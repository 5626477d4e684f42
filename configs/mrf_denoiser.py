"""A denoiser of ordinary weighted images, ``D(x, sigma) -> x``: the prior of ``--method pnp``.

What: a U-Net told the noise level that takes white noise of standard deviation 0.005 to 0.2 off
single images (bright is 1) of any contrast. No map and no fingerprinting goes in: docs/
fingerprinting.md.
Command:
    python -m launch.train --config configs/mrf_denoiser.py --data_dir DIR --workdir DIR
Data: DIR holds NIfTI volumes PERSON_*.nii.gz of several people, or records of
data_tools.synthesise_weighted.
Hardware: one core of a CPU, 20 minutes.
Result: docs/fingerprinting.md.
"""

from ml_collections import ConfigDict

from configs import joint_maps, srgan


def get_config() -> ConfigDict:
    """The joint page with another task, network and objective."""
    config = joint_maps.get_config()
    config.map = "pd"  # the channel that an image is held in
    config.task.name = "weighted_images"
    config.task.context = 1
    config.task.margin = 0
    config.task.log_maps = ()
    config.data.batch_size = 16
    config.data.crop = 64
    config.model = ConfigDict({"name": "unet", "features": 32, "depth": 2, "blocks": 1, "fold": 2})
    config.model.noise_units = True  # weak noise counts as much as strong: what a loop ends with
    config.objective = ConfigDict({"name": "denoising", "sigma_max": 0.2, "sigma_min": 0.005})
    config.loss.terms = ConfigDict({"mae": srgan.term(1.0)})
    config.optimizer.learning_rate = 1.5e-3
    config.average.decay = 0.998
    config.schedule.steps = 4000
    config.cadence.log_every = 100
    config.cadence.validate_every = 200
    config.cadence.save_every = 200
    return config
