"""The study's base: T1, T2 and PD by one small residual network of one slice, minutes on two cores.

What: the page that every cell of the study changes in one thing. Absolute error inside the head, T2
in logarithmic scale, target the routine scan. Every other loss stands here with weight 0.
Command:
    qsr study --data DIR --work DIR --cells 'base*'
Hardware: 2 CPU cores, about two minutes.
Result: docs/study.md.
"""

from ml_collections import ConfigDict

from configs import joint_maps, srgan

PIXELS = (
    "mae", "mse", "charbonnier", "log", "relative", "regions", "tissues", "value_bins",
    "measurement", "t1w", "t2w", "flair", "laplace", "gaussian",
)  # fmt: skip
"""Losses that a region confines."""


def get_config() -> ConfigDict:
    """The joint page, smaller, with every loss to choose from."""
    config = joint_maps.get_config()
    config.task.context = 1
    config.task.margin = 6  # a crop of 28 sees 40
    config.data.crop = 28
    config.model.features = 32
    config.model.blocks = 4
    config.model.spread = False  # True with laplace or gaussian
    config.loss.terms = ConfigDict({name: srgan.term(0.0, region="head") for name in PIXELS})
    config.loss.terms.mae.weight = 1.0
    config.optimizer.learning_rate = 2e-3
    config.average.decay = 0.998
    config.schedule.steps = 1500
    config.cadence.log_every = 50
    config.cadence.validate_every = 1500  # nothing is chosen by it
    config.cadence.save_every = 250
    return config
