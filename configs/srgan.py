"""The paper's SRGAN (Liu 2026, doi:10.2196/79389): one map, 256 x 256 to 512 x 512, whole slices.

What: equations 1-4, Figure 1; Tables 1-5 when evaluated. One model per map (t1, t2, pd).
Command:
    python -m launch.train --config configs/srgan.py --config.map=t1 \
        --config.vgg.path=FILE --config.vgg.sha256=DIGEST --data_dir DIR --workdir DIR
Hardware and hours: the paper used one V100, 200 epochs of about 2900 slices. Not yet run here.
Result: not yet run.

Stated by the paper: 9x9 convolution, 5 residual blocks, closing 3x3 and 1x1 convolutions, sub-pixel
upsampling, tanh; eight 3x3 convolutions in the discriminator; weights 1, 1e-3 and 2e-6; Adam 1e-3,
"step-wise decay every 1000 iterations"; batch 8; 200 epochs; normalisation 4500 ms, 2200 ms, 180 %.

Where the paper is silent, chosen here and why:
- 64 features, long skip, discriminator widths and strides: SRGAN's own (see qsr_jax/models).
- Discriminator head: mean over space, then one fully connected output, so that any image size fits.
- Decay factor 0.95: 200 epochs are 72 500 steps, so the rate ends at 2.4 % of 1e-3.
- VGG layer pool4, inputs 0-255 minus the mean: the TensorLayer SRGAN family's; the printed weight
  2e-6 only makes sense with that range.
- Equation 2 is a sum over samples as printed; loss.terms.gan.reduction="mean" makes it an eighth.
- No warm-up is mentioned, so none; whole slices (crop 0), air included, as eq. 1 is written: in T1
  97 % of equation 1 lies outside the brain.
- Batch norm momentum 0.9: running statistics follow within tens of steps.
- Batch norm learns its statistics to the last step; frozen_norm_steps ends that earlier, which
  removes the bias between training and prediction mode (7 more updates of the statistics on whole
  slices moved the T1 of a brain by 12 to 18 ms).
- Convolutions pad with 0 of network scale, as networks do: that is 2250 ms of T1. So a crop
  (data.crop) and the slice it is cut from differ near the crop's border, by up to 22 ms;
  configs/joint_maps.py carries a margin instead.
- Seed 0; every random number follows from it.
"""

from ml_collections import ConfigDict


def get_config() -> ConfigDict:
    """Every setting of an experiment and its default; other pages state differences."""
    config = ConfigDict()
    config.map = "t1"  # t1, t2 or pd; several joined by + for one network of all: t1+t2+pd
    config.seed = 0

    config.task = ConfigDict()
    config.task.name = "super_resolution"  # of one map; "joint_maps" of several
    config.task.context = 1  # slices seen at a time: 1, 3 or 5
    config.task.margin = 0  # coarse pixels seen beyond a crop, on which no loss is taken
    config.task.log_maps = ()  # maps with a logarithmic network scale
    config.task.target = "routine"  # or "truth", "repeat": where the records carry it
    config.task.remap_scale = 0.0  # values moved at random, e.g. 0.25: qsr_jax/tasks/remap.py
    config.task.remap_power = 0.0  # e.g. 0.35
    config.task.remap_field = 0.0  # e.g. 0.1

    config.data = ConfigDict()
    config.data.batch_size = 8  # all devices together
    config.data.fold = ""  # "3/5": the third of five folds, built with --fold 3/5
    config.data.crop = 0  # coarse crop side in pixels around the head; 0: whole slices
    config.data.threads = 2  # readers
    config.data.flip = False  # mirror half of the samples, left to right
    config.data.resident = "auto"  # records kept on the devices: "yes", "no", or where they fit

    config.start = ConfigDict()  # see configs/finetune.py
    config.start.model = ""  # begin from a trained model: a shipped name, a file or a workdir
    config.start.checkpoint = "latest"  # of a workdir; or "best"
    config.start.hold = 0.0  # pull back to the weights it began with

    config.model = ConfigDict()  # name, and the network's own fields: qsr_jax/models/build.py
    config.model.name = "srgan"
    config.model.features = 64
    config.model.blocks = 5
    config.model.norm_momentum = 0.9

    config.objective = ConfigDict()
    config.objective.name = "srgan"  # or "regression", "denoising"
    config.objective.relativistic = False  # True: a discriminator that compares (ESRGAN)

    config.discriminator = ConfigDict()
    config.discriminator.features = (64, 64, 128, 128, 256, 256, 512, 512)

    config.vgg = ConfigDict()
    config.vgg.weights = "file"  # "random" is for trying things out; reports say so
    config.vgg.path = ""  # made by python -m data_tools.convert_vgg19
    config.vgg.sha256 = ""
    config.vgg.layer = "pool4"
    config.vgg.cached = False  # features of the routine slices kept too; whole slices only

    config.loss = ConfigDict()
    config.loss.terms = ConfigDict()  # any of qsr_jax/losses; equation 4:
    config.loss.terms.mae = term(1.0)
    config.loss.terms.gan = term(1e-3, reduction="sum")  # equation 2; or "mean"
    config.loss.terms.vgg = term(2e-6)

    config.optimizer = ConfigDict()
    config.optimizer.learning_rate = 1e-3
    config.optimizer.schedule = "staircase"  # or "cosine", to 0 at the last step
    config.optimizer.decay_every = 1000  # steps
    config.optimizer.decay_factor = 0.95

    _add_course(config)
    _add_compute(config)
    return config


def term(weight: float, *, region: str = "frame", reduction: str = "mean") -> ConfigDict:
    """How one loss counts; a weight of 0 costs nothing. Regions: frame, head, brain."""
    return ConfigDict({"weight": weight, "region": region, "reduction": reduction})


def _add_course(config: ConfigDict) -> None:
    """How long to train, what to keep, when to speak."""
    config.average = ConfigDict()
    config.average.decay = 0.0  # of the network's running average, e.g. 0.999; 0: none

    config.schedule = ConfigDict()
    config.schedule.epochs = 200.0  # give epochs or steps, the other 0
    config.schedule.steps = 0
    config.schedule.warmup_steps = 0  # first steps on the losses of pixels alone
    config.schedule.frozen_norm_steps = 0  # last steps with batch norm as in prediction

    config.cadence = ConfigDict()
    config.cadence.log_every = 50  # steps
    config.cadence.validate_every = 1000
    config.cadence.save_every = 1000
    config.cadence.keep = 2  # checkpoints

    config.best = ConfigDict()
    config.best.bias_percent = 2.0  # validation bias within this: then PSNR decides

    config.alarms = ConfigDict()
    config.alarms.certain = 0.99  # a verdict of the discriminator that teaches nothing
    config.alarms.window = 10  # logged steps in a row
    config.alarms.drift_percent = 3.0  # growth of the validation bias


def _add_compute(config: ConfigDict) -> None:
    """How the same numbers are computed: see docs/speed.md for what each costs and saves."""
    config.precision = ConfigDict()
    config.precision.compute = "float32"  # or "bfloat16": convolutions of training
    config.precision.matmul = "default"  # of float32 in training: "default", "high", "highest"

    config.memory = ConfigDict()
    config.memory.accumulate = 1  # parts in which a device takes its share of a batch
    config.memory.remat = "none"  # computed again, not kept: "model", "vgg", "both"

    config.devices = ConfigDict()
    config.devices.batch_norm = "all"  # several devices do what one does; "device": docs/speed.md

    config.compile = ConfigDict()
    config.compile.cache_dir = "auto"  # of compiled programs: a folder, "none", "auto": docs/speed
