"""ESRGAN for the study: dense blocks, and a discriminator that compares instead of judging alone.

What: configs/study/rrdb.py with the relativistic objective of ESRGAN; its content term has VGG-19.
Command:
    qsr study --data DIR --work DIR --vgg FILE --cells 'esrgan*'
Hardware: 2 CPU cores, minutes: configs/study/cells.py.
Result: docs/study.md.
"""

from ml_collections import ConfigDict

from configs.study import equation_4, rrdb


def get_config() -> ConfigDict:
    """Equation 4's page with the network of another and a relativistic discriminator."""
    config = equation_4.get_config()
    config.model = rrdb.get_config().model
    config.objective.relativistic = True
    return config
