"""The study's base with window attention (SwinIR-light, cut to fit) in place of convolutions.

What: one network of the study; width 24 of SwinIR-light's 60, 2 groups of 2 layers of its 4 of 6.
Command:
    qsr study --data DIR --work DIR --cells 'swinir*'
Hardware: 2 CPU cores, minutes: configs/study/cells.py.
Result: docs/study.md.
"""

from ml_collections import ConfigDict

from configs.study import residual


def get_config() -> ConfigDict:
    """The base page, another network."""
    config = residual.get_config()
    config.model = ConfigDict({"name": "swinir", "features": 24, "blocks": 2, "layers": 2})
    config.model.heads = 3
    config.model.window = 8
    return config
