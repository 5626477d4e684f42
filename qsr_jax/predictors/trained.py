"""What a trained predictor is to others: it knows its maps, its grid and its own name."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from qsr_jax.types import Familiarity, Prediction, Predictor, Volume


class MismatchError(ValueError):
    """A scan is not of the kind the network was trained on, or models that do not fit together."""


class Named(Protocol):
    """What headers say of a trained network."""

    @property
    def description(self) -> str:
        """One line for people and DICOM headers; its first word is the network's name."""
        ...

    @property
    def weights_sha256(self) -> str:
        """Digest over names, shapes and bytes of its variables."""
        ...


class TrainedPredictor(Named, Protocol):
    """A :data:`qsr_jax.types.Predictor` with everything needed to read its numbers."""

    @property
    def names(self) -> tuple[str, ...]:
        """The maps it takes and makes, in the order of the channels."""
        ...

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of its numbers must know."""
        ...

    @property
    def precision(self) -> str:
        """In which its products are asked for: "float32" or "tf32"."""
        ...

    def check(self, volume: Volume) -> None:
        """Refuses a scan on another grid than trained on, or that holds a map not trained on.

        Raises:
            MismatchError: saying what was trained on and what was given.
        """
        ...

    def __call__(self, volume: Volume) -> Prediction:
        """Makes all its maps from a scan that holds them all."""
        ...


def merge_maps(models: Sequence[TrainedPredictor]) -> Predictor:
    """One predictor of all maps from models of some of them each.

    The spread is joined where every model knows one, and None where no model does. Where some do
    and others do not, nothing is dropped in silence: the call raises.

    Raises:
        MismatchError: no model, or two of the same map; when called: some models know their
            standard deviation and others do not, or they make different grids.
    """
    names = tuple(name for model in models for name in model.names)
    if not names or len(set(names)) < len(names):
        raise MismatchError(f"models of {', '.join(names) or 'nothing'}; expected each map once")

    def predict(volume: Volume) -> Prediction:
        return join([model(volume.select(model.names)) for model in models])

    return predict


def join(parts: Sequence[Prediction]) -> Prediction:
    """Predictions of different maps of one scan as one; see :func:`merge_maps` for the spread.

    Raises:
        MismatchError: some know their standard deviation and others do not, or the grids differ.
    """
    stds = [part.std for part in parts if part.std is not None]
    if stds and len(stds) < len(parts):
        without = ", ".join(name for part in parts if part.std is None for name in part.names)
        raise MismatchError(
            f"no standard deviation of {without}, while the other maps have one; expected all or "
            "none: use ensembles for every map, or for none"
        )
    if any(part.geometry != parts[0].geometry for part in parts):
        grids = ", ".join(f"{'+'.join(part.names)} {part.geometry.shape}" for part in parts)
        raise MismatchError(f"predictions on different grids: {grids}; expected one grid")
    counts = [part.clamped or (0,) * len(part.names) for part in parts]
    clamps = any(part.clamped is not None for part in parts)
    laws = [part.mean_laws for part in parts if part.mean_laws is not None]
    against = {part.std_against for part in parts}
    return Prediction(
        mean=np.concatenate([part.mean for part in parts], axis=-1),
        std=np.concatenate(stds, axis=-1) if stds else None,
        names=tuple(name for part in parts for name in part.names),
        geometry=parts[0].geometry,
        clamped=sum(counts, ()) if clamps else None,
        mean_laws=sum(laws, ()) if len(laws) == len(parts) else None,
        familiarity=Familiarity.worst_of([part.familiarity for part in parts]),
        std_against=against.pop() if len(against) == 1 else None,
    )
