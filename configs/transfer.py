"""The fixed small network of ``qsr transfer``: what it learns tells what the instrument teaches.

What: all three maps by one residual network of one slice, T2 in logarithmic scale, absolute error
in the head; target is the routine scan.
Command:
    python -m data_tools.transfer_check --measured HEADS --out DIR
Hardware and result: docs/transfer.md. A change of this page makes older results incomparable.
"""

from ml_collections import ConfigDict

from configs import joint_maps, srgan


def get_config() -> ConfigDict:
    """The joint page, smaller: minutes on two cores."""
    config = joint_maps.get_config()
    config.task.context = 1  # measured heads are a few slices high
    config.task.margin = 6  # a crop of 28 sees 40
    config.data.crop = 28
    config.loss.terms = ConfigDict({"mae": srgan.term(1.0, region="head")})
    config.model.features = 32
    config.model.blocks = 4
    config.optimizer.learning_rate = 2e-3
    config.average.decay = 0.998
    config.schedule.steps = 3000
    config.cadence.log_every = 100
    config.cadence.validate_every = 1000
    config.cadence.save_every = 500
    return config
