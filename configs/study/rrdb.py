"""The study's base with ESRGAN's dense blocks in place of the residual network.

What: one network of the study; one block of the published twenty-three.
Command:
    qsr study --data DIR --work DIR --cells 'rrdb*'
Hardware: 2 CPU cores, minutes: configs/study/cells.py.
Result: docs/study.md.
"""

from ml_collections import ConfigDict

from configs.study import residual


def get_config() -> ConfigDict:
    """The base page, another network."""
    config = residual.get_config()
    config.model = ConfigDict({"name": "rrdb", "features": 24, "growth": 12, "blocks": 1})
    return config
