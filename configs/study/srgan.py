"""The paper's SRGAN, cut to minutes: half width, crops, equation 4 with the real VGG-19.

What: configs/srgan.py's generator with 32 of its 64 features and 3 of its 5 blocks, batch norm
frozen in the last steps; one map at a time as in the paper, or all three.
Command:
    qsr study --data DIR --work DIR --vgg FILE --cells 'srgan*'
Hardware: 2 CPU cores, minutes: configs/study/cells.py.
Result: docs/study.md.
"""

from ml_collections import ConfigDict

from configs.study import equation_4


def get_config() -> ConfigDict:
    """Equation 4's page with the paper's generator, scale and mean over the frame."""
    config = equation_4.get_config()
    config.model = ConfigDict({"name": "srgan", "features": 32, "blocks": 3, "norm": True})
    config.model.norm_momentum = 0.95
    config.task.log_maps = ()
    config.task.margin = 0  # as the paper has none
    config.loss.terms.mae.region = "frame"
    config.schedule.frozen_norm_steps = 300
    return config
