"""What goes in, what comes out, in which units: records to examples, network scale to maps.

To add a task: one file in this room and one line in :data:`TASKS`.
"""

from collections.abc import Mapping
from typing import Any

from qsr_jax.tasks.example import Example, Task
from qsr_jax.tasks.joint_maps import JointMaps
from qsr_jax.tasks.super_resolution import SuperResolution
from qsr_jax.tasks.weighted_images import WeightedImages
from qsr_jax.tasks.weighted_to_maps import WeightedToMaps

TASKS: dict[str, type[JointMaps]] = {
    "super_resolution": SuperResolution,
    "joint_maps": JointMaps,
    "weighted_to_maps": WeightedToMaps,
    "weighted_images": WeightedImages,
}
"""Every task that can be asked for by name."""


def build_task(name: str, **fields: Any) -> JointMaps:
    """Makes a task; lists, as JSON has them, stand for tuples.

    Raises:
        ValueError: an unknown name or field, or a value that the task refuses.

    Example:
        >>> build_task("super_resolution", names=["t1"], scale=2).names
        ('t1',)
    """
    if name not in TASKS:
        raise ValueError(f"task.name is {name!r}; known: {', '.join(TASKS)}")
    given: dict[str, Any] = {
        key: tuple(v) if isinstance(v, list) else v for key, v in fields.items()
    }
    try:
        return TASKS[name](**given)
    except TypeError as error:
        raise ValueError(f"task {name}: {error}") from error


def described_task(description: Mapping[str, Any]) -> JointMaps:
    """The task that :meth:`~qsr_jax.tasks.joint_maps.JointMaps.describe` described."""
    return build_task(**description)


__all__ = [
    "TASKS",
    "Example",
    "JointMaps",
    "SuperResolution",
    "Task",
    "WeightedImages",
    "WeightedToMaps",
    "build_task",
    "described_task",
]
