"""One small network of T1, T2 and PD together: what two CPU cores learn in two minutes.

What: the recipe of configs/joint_maps.py at a size that trains within the quickstart; one slice,
absolute error in the head, towards the routine scan.
Command:
    bash launch/quickstart.sh
Differences: narrower and shallower; small crops with a small margin; a high rate. The paper's
system at the same size is configs/quickstart_srgan.py, walked by `bash launch/quickstart.sh
--srgan`.
Hardware and result: README, section Results.
"""

from ml_collections import ConfigDict

from configs import joint_maps, srgan


def get_config() -> ConfigDict:
    """The joint page with what two minutes need changed."""
    config = joint_maps.get_config()
    config.task.context = 1
    config.task.margin = 6
    config.data.crop = 32
    config.loss.terms = ConfigDict({"mae": srgan.term(1.0, region="head")})
    config.model.features = 32
    config.model.blocks = 4
    config.optimizer.learning_rate = 2e-3
    config.average.decay = 0.997
    config.schedule.steps = 1000
    config.cadence.log_every = 20
    config.cadence.validate_every = 500
    config.cadence.save_every = 250
    return config
