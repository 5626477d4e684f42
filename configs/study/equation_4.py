"""The study's base under the paper's equation 4: a discriminator and VGG-19 features beside it.

What: what the adversarial and the content term do to one and the same network; cells set their
weights to 0 one by one. The weights of equation 4 are the paper's.
Command:
    qsr study --data DIR --work DIR --vgg FILE --cells 'equation-4*'
Hardware: 2 CPU cores, minutes: configs/study/cells.py.
Result: docs/study.md.
"""

from ml_collections import ConfigDict

from configs import srgan
from configs.study import residual


def get_config() -> ConfigDict:
    """The base page with the paper's objective and a narrow discriminator."""
    config = residual.get_config()
    config.objective.name = "srgan"
    config.discriminator = ConfigDict({"features": (16, 16, 32, 32, 64, 64, 128, 128)})
    config.vgg = srgan.get_config().vgg
    config.vgg.layer = "conv3_4"  # pool4 of a crop of 40 is 2 pixels wide
    config.data.crop = 20  # features cost ten times the network
    config.loss.terms.gan = srgan.term(1e-3, reduction="sum")
    config.loss.terms.vgg = srgan.term(2e-6)
    config.schedule.steps = 1200
    config.schedule.warmup_steps = 700
    return config
