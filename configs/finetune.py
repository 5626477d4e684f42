"""A trained model taken further on a few pairs of one's own.

What: maps, task, crops, network, objective and losses of the model that --model names, whatever
stands here; a low rate that falls to 0 in few steps, a running average, and a pull back to the
model's weights. The model itself is validated first, at step 0, and stays the best until a later
step beats it on the validation subjects.
Command:
    python -m launch.finetune --model default --data_dir DIR --workdir DIR
Hardware: 2 CPU cores are enough; minutes.
Result: docs/finetune.md.

Why these: scans have no truth, so the target is the routine scan, also of a model that had learned
the truth; one's own values are what is to be learned, so none is moved at random.
"""

from ml_collections import ConfigDict

from configs import joint_maps


def get_config() -> ConfigDict:
    """The joint page with a shorter, gentler course."""
    config = joint_maps.get_config()
    config.task.target = "routine"
    config.start.hold = 50.0  # no weight gets much farther than 1 / 50
    config.optimizer.learning_rate = 2e-4
    config.average.decay = 0.98
    config.schedule.steps = 300
    config.cadence.log_every = 10
    config.cadence.validate_every = 100
    config.cadence.save_every = 100
    return config
