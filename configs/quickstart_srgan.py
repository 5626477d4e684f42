"""The small sister of configs/srgan.py: the same code on a laptop, a minute or so per map.

What: every part of the paper's system at a size that trains on 2 CPU cores within the quickstart.
Command:
    bash launch/quickstart.sh --srgan
Differences: narrower generator and discriminator; small crops around the head; a high rate that
falls fast; a warm-up on equation 1 that takes most of the few steps; batch norm frozen in the later
steps, so that crops and whole slices agree; a running average of the weights; and random VGG-19
weights, because the real ones cannot be shipped. Random features make the content term real code
with little meaning; the report says so.
Hardware and result: README, section Results.
"""

from ml_collections import ConfigDict

from configs import srgan


def get_config() -> ConfigDict:
    """The paper's page with what a two-core machine needs changed."""
    config = srgan.get_config()
    config.data.batch_size = 12  # batch norm wants variety more than size
    config.data.crop = 20
    config.model.features = 32
    config.model.blocks = 3
    config.model.norm_momentum = 0.95
    config.discriminator.features = (16, 16, 32, 32, 64, 64, 128, 128)
    config.vgg.weights = "random"
    config.vgg.layer = "conv3_4"
    config.schedule.epochs = 0.0
    config.average.decay = 0.98
    config.schedule.steps = 800
    config.schedule.warmup_steps = 770
    config.schedule.frozen_norm_steps = 300
    config.optimizer.learning_rate = 4e-3
    config.optimizer.decay_every = 200
    config.optimizer.decay_factor = 0.42
    config.cadence.log_every = 20
    config.cadence.validate_every = 400
    config.cadence.save_every = 300
    return config
