"""T1, T2 and PD from routine T1w, T2w and FLAIR images and their TR, TE and TI.

What: "PDPE-Net-style" (arXiv 2508.08123, whose abstract is all that is public; every constant is
ours): one slice of three contrasts in, three maps with their standard deviations out. A U-Net told
the times in every block (FiLM) and given the pixelwise maximum-likelihood maps beside the images;
one network for series that share a gain and for series that do not.
Command:
    python -m data_tools.synthesise_weighted --help
    python -m launch.train --config configs/weighted_to_maps.py --data_dir DIR --workdir DIR
    python -m data_tools.weighted_check --data_dir DIR --model WORKDIR --out DIR
Hardware: 2 CPU cores, about 10 minutes.
Result: docs/weighted.md.

Variants, as overrides: no parameters --config.weighted.parameters=False
--config.weighted.physics=False --config.model.film=False; constant maps
--config.weighted.constant_maps=True --config.weighted.physics=False --config.model.film=False; FiLM
alone --config.weighted.physics=False; per-contrast encoders --config.model.encoders=True.

Why these: docs/weighted.md.
"""

from ml_collections import ConfigDict

from configs import joint_maps, srgan


def get_config() -> ConfigDict:
    """The joint page with another task and network."""
    config = joint_maps.get_config()
    config.task.name = "weighted_to_maps"
    config.task.context = 1
    config.task.margin = 0
    config.task.log_maps = ()
    config.task.target = "truth"
    config.weighted = ConfigDict()
    config.weighted.intensities = "both"  # or "common": one gain of all three; "free": none
    config.weighted.parameters = True  # TR, TE and TI are told
    config.weighted.constant_maps = False  # as constant channels behind the images
    config.weighted.physics = True  # the pixelwise solution behind the images
    config.weighted.blended = False  # the mean of all solutions of a pixel, not the best of them
    config.weighted.unknown = 0.1  # samples in which times are hidden
    config.weighted.absent = 0.0  # samples that lack a contrast
    config.weighted.held_out = ""  # bands that do not train: "t2w_te_ms 95 105, t1w_tr_ms 800 1200"
    config.data.batch_size = 12
    config.data.crop = 64
    config.model = ConfigDict({"name": "unet", "features": 32, "depth": 2, "blocks": 1})
    config.model.fold = 2
    config.model.direct = True
    config.model.film = True
    config.model.encoders = False
    config.model.spread = True
    config.loss.terms = ConfigDict({"laplace": srgan.term(1.0, region="brain")})
    config.optimizer.learning_rate = 1.2e-3
    config.average.decay = 0.998
    config.schedule.steps = 4000
    config.cadence.log_every = 100
    config.cadence.validate_every = 1000
    config.cadence.save_every = 1000
    return config
