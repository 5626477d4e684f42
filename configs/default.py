"""The shipped models: one U-Net of T1, T2 and PD that tells how sure it is of every voxel.

What: `default` is trained towards the truth of simulated subjects, `routine` (the same page with
--config.task.target=routine --config.schedule.steps=6000) towards the routine scan.
Command:
    python -m launch.train --config configs/default.py --data_dir DIR --workdir DIR
Data: docs/pretrained.md says how its 48 training subjects of eight scanners are simulated.
Hardware: two cores of a busy CPU, 21 minutes for 12,000 steps.
Result: qsr_jax/pretrained/default.md.

Why these: at 2,500 steps a residual network of the same cost (48 features, 6 blocks) left 5 % more
error in T1, 7 % in T2 and 8 % in PD on five validation subjects; a likelihood of Laplace weighs
the three maps by itself, and on a small network was as good as the absolute error and better than
that of Gauss. A U-Net sees 25 coarse pixels and a crop's margin is 6: what lies farther off tells
little, and a margin as wide would quadruple the cost of a step.
"""

from ml_collections import ConfigDict

from configs import joint_maps, srgan


def get_config() -> ConfigDict:
    """The joint page with another network and a loss that teaches its spread."""
    config = joint_maps.get_config()
    config.task.target = "truth"
    config.task.context = 1  # users' slices lie 3 to 6 mm apart
    config.task.margin = 6
    config.model = ConfigDict({"name": "unet", "features": 40, "depth": 2, "blocks": 1, "fold": 1})
    config.model.spread = True
    config.loss.terms = ConfigDict({"laplace": srgan.term(1.0, region="head")})
    config.schedule.steps = 12000
    config.cadence.log_every = 100
    config.cadence.save_every = 500
    return config
