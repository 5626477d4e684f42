"""T1, T2 and PD by one residual network that sees the slices beside each, without batch norm.

What: three maps in, three maps out; a residual to cubic interpolation, T2 in logarithmic scale,
Charbonnier loss inside the brain, crops with a margin as wide as the network sees. No discriminator
and no VGG weights.
Command:
    python -m launch.train --config configs/joint_maps.py --data_dir DIR --workdir DIR
Hardware: 2 CPU cores are enough; hours not yet measured.
Result: not yet measured on unseen subjects; that it trains, predicts DICOM and is evaluated by the
doors of every other page is shown by tests/launch/test_joint_walk.py on a tiny cohort.

Why these: a batch norm's statistics stand between training and prediction (configs/srgan.py); the
linear scale gives T2 of 50 to 120 ms 3 % of its room; on whole slices 97 % of T1's loss lies in
air.
"""

from ml_collections import ConfigDict

from configs import srgan


def get_config() -> ConfigDict:
    """The page of defaults with another task, network, objective and loss."""
    config = srgan.get_config()
    config.map = "t1+t2+pd"
    config.task.name = "joint_maps"
    config.task.context = 3
    config.task.margin = 16  # the network sees 15 coarse pixels, the interpolation 2
    config.task.log_maps = ("t2",)
    config.data.crop = 40
    config.data.flip = True
    config.model = ConfigDict({"name": "residual", "features": 48, "blocks": 6})
    config.model.residual_scale = 1.0
    config.objective.name = "regression"
    del config.discriminator, config.vgg
    config.loss.terms = ConfigDict({"charbonnier": srgan.term(1.0, region="brain")})
    config.optimizer = ConfigDict({"learning_rate": 1e-3, "schedule": "cosine"})
    config.average.decay = 0.999
    config.schedule.epochs = 0.0
    config.schedule.steps = 4000
    return config
