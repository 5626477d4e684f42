"""The paper's SRGAN at a quarter of its width, on two CPU cores, with the real VGG-19.

What: configs/srgan.py with 16 of the generator's 64 features and 16 to 128 of the discriminator's
64 to 512, on crops around the head in place of whole slices and for 2,000 of its 72,500 steps; all
else, equation 4 and its weights included, is the paper's page. One model per map (t1, t2, pd).
Command:
    python -m launch.train --config configs/srgan_quarter.py --config.map=t1 \
        --config.vgg.path=FILE --config.vgg.sha256=DIGEST --data_dir DIR --workdir DIR
Hardware: 2 CPU cores; 0.9 s a step, seen in 60 steps beside two other trainings.
Result: not yet run.

Why these:
- Crops of 24 coarse pixels: VGG-19's features of eight whole slices are about 6.5 TFLOP a step
  (counted), of eight such crops a hundredth; pool4 of one is 3 x 3.
- The rate falls along the paper's curve, squeezed into these steps: it ends at 2.6 % of 1e-3.
- Batch norm is frozen in the last fifth, because a crop's statistics are not a slice's.
"""

from ml_collections import ConfigDict

from configs import srgan

PAPERS_STEPS = 72_500
"""200 epochs of about 2900 slices, eight a step."""

STEPS = 2000


def get_config() -> ConfigDict:
    """The paper's page with a quarter of its features, on crops."""
    config = srgan.get_config()
    config.data.crop = 24
    config.model.features = 16
    config.discriminator.features = (16, 16, 32, 32, 64, 64, 128, 128)
    config.schedule.epochs = 0.0
    config.schedule.steps = STEPS
    config.schedule.frozen_norm_steps = STEPS // 5
    config.optimizer.decay_every = round(config.optimizer.decay_every * STEPS / PAPERS_STEPS)
    config.cadence.validate_every = 1000
    config.cadence.save_every = 250
    return config
