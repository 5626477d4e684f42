"""A trained generator as a predictor: whole slices, physical units in, physical units out."""

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from qsr_jax.checkpoint import BEST, LATEST, CheckpointError, load_document, load_generator
from qsr_jax.maps import MAPS, MapSpec, from_network, spec_of, to_network
from qsr_jax.models import GENERATORS
from qsr_jax.types import Prediction, Predictor, Volume

SPACING_TOLERANCE = 0.01
"""Relative difference of voxel size up to which a scan counts as the trained one's protocol."""


class MismatchError(ValueError):
    """A scan is not of the kind the network was trained on."""


@dataclasses.dataclass(frozen=True)
class NetworkPredictor:
    """A generator with everything needed to read its numbers.

    Attributes:
        map_name: the map it takes and makes.
        description: one line for subjects and DICOM headers.
        weights_sha256: digest over names, shapes and bytes of its variables.
        notes: what a reader of its numbers must know.
    """

    map_name: str
    description: str
    weights_sha256: str
    notes: tuple[str, ...]
    _document: Mapping[str, Any]
    _upsample: Any

    @property
    def scale(self) -> int:
        """Factor between the grids."""
        return self._document["scale"]

    @property
    def grid_alignment(self) -> str:
        """How the fine grid lies on the coarse one."""
        return self._document["grid_alignment"]

    def __call__(self, volume: Volume) -> Prediction:
        """Super-resolves one map.

        Raises:
            MismatchError: other maps, matrix or voxel size than trained on.
        """
        self.check(volume)
        slices = [self._upsample(image[None])[0] for image in volume.maps]
        return Prediction(
            mean=np.stack([np.asarray(image) for image in slices]),
            std=None,
            names=volume.names,
            geometry=volume.geometry.refined(self.scale, self.grid_alignment),
        )

    def check(self, volume: Volume) -> None:
        """Raises MismatchError unless the volume is what the network was trained on."""
        if volume.names != (self.map_name,):
            given = ", ".join(volume.names)
            raise MismatchError(f"the model was trained on {self.map_name}, the scan is {given}")
        trained = tuple(self._document["lr_shape"])
        if volume.geometry.shape[1:] != trained:
            raise MismatchError(
                f"the model was trained on {trained[0]} x {trained[1]} images, the scan has "
                f"{volume.geometry.shape[1]} x {volume.geometry.shape[2]}"
            )
        spacing, given = self._document["lr_spacing_mm"], volume.geometry.spacing_mm
        if not np.allclose(given, spacing, rtol=SPACING_TOLERANCE):
            raise MismatchError(f"the model was trained on voxels of {spacing} mm, not {given} mm")


def load_predictor(workdir: Path, *, which: str = LATEST) -> NetworkPredictor:
    """Loads the newest checkpoint of a workdir.

    Args:
        workdir: folder given to training.
        which: "latest", or "best": the one that did best on validation subjects.

    Raises:
        CheckpointError: no checkpoint, or one that lacks its normalisation.
    """
    step, document = load_document(workdir, which=which)
    spec = spec_of(document["map"])
    if document["network_max"] != spec.network_max or document["unit"] != spec.unit:
        raise CheckpointError(
            f"{workdir}: trained with {spec.label} normalised by {document['network_max']} "
            f"{document['unit']}, this version uses {spec.network_max} {spec.unit}"
        )
    generator = build_generator(**document["generator"], scale=document["scale"])
    image = jnp.zeros((1, *document["lr_shape"], 1))
    target = jax.eval_shape(lambda key: generator.init(key, image, train=False), jax.random.key(0))
    variables = load_generator(workdir, step, target, which=which)
    chosen = ", chosen on validation subjects" if which == BEST else ""
    return NetworkPredictor(
        map_name=spec.name,
        description=f"{document['generator']['name']} {spec.label}, {step} training steps{chosen}",
        weights_sha256=variables_sha256(variables),
        notes=tuple(document["notes"]),
        _document=document,
        _upsample=compile_upsampler(generator, variables, spec),
    )


def load_predictors(workdirs: Sequence[Path], *, which: str = LATEST) -> list[NetworkPredictor]:
    """Loads one model per map, in the order of :data:`qsr_jax.maps.MAPS`.

    Raises:
        MismatchError: two workdirs hold models of the same map.
        CheckpointError: see :func:`load_predictor`.
    """
    models = [load_predictor(workdir, which=which) for workdir in workdirs]
    names = [model.map_name for model in models]
    if len(set(names)) < len(names):
        raise MismatchError(f"models of {', '.join(names)}: two of the same map; give one per map")
    return sorted(models, key=lambda model: list(MAPS).index(model.map_name))


def build_generator(
    *, name: str, features: int, blocks: int, norm_momentum: float, scale: int
) -> Any:
    """A generator for prediction from the numbers of its document."""
    return GENERATORS[name](
        features=features, blocks=blocks, norm_momentum=norm_momentum, scale=scale
    )


def compile_upsampler(generator: Any, variables: Any, spec: MapSpec) -> Any:
    """Compiles (n, h, w, 1) physical -> (n, scale*h, scale*w, 1) physical."""

    @jax.jit
    def apply(variables: Any, physical: jax.Array) -> jax.Array:
        sr = generator.apply(variables, to_network(physical, spec), train=False)
        return from_network(sr, spec)

    return lambda physical: apply(variables, jnp.asarray(physical, jnp.float32))


def merge_maps(predictors: Sequence[Predictor], names: Sequence[str]) -> Predictor:
    """Several one-map predictors as one: predictor i takes and makes the map ``names[i]``."""

    def predict(volume: Volume) -> Prediction:
        parts = []
        for predictor, name in zip(predictors, names, strict=True):
            channel = volume.names.index(name)
            one = dataclasses.replace(
                volume, maps=volume.maps[..., channel : channel + 1], names=(name,)
            )
            parts.append(predictor(one))
        return Prediction(
            mean=np.concatenate([part.mean for part in parts], axis=-1),
            std=None,
            names=tuple(names),
            geometry=parts[0].geometry,
        )

    return predict


def variables_sha256(variables: Any) -> str:
    """Digest over names, shapes and bytes of a pytree of arrays."""
    digest = hashlib.sha256()
    for path, leaf in jax.tree_util.tree_leaves_with_path(variables):
        array = np.asarray(leaf)
        digest.update(f"{jax.tree_util.keystr(path)} {array.dtype} {array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()
