"""The study's base with a U-Net in place of the residual network.

What: one network of the study, of about the same minutes as the others.
Command:
    qsr study --data DIR --work DIR --cells 'unet*'
Hardware: 2 CPU cores, minutes: configs/study/cells.py.
Result: docs/study.md.
"""

from ml_collections import ConfigDict

from configs.study import residual


def get_config() -> ConfigDict:
    """The base page, another network."""
    config = residual.get_config()
    config.model = ConfigDict({"name": "unet", "features": 16, "depth": 2, "blocks": 1})
    return config
