"""One map, coarse to fine: the paper's task."""

import dataclasses
from typing import ClassVar

from qsr_jax.tasks.joint_maps import JointMaps


@dataclasses.dataclass(frozen=True)
class SuperResolution(JointMaps):
    """:class:`~qsr_jax.tasks.joint_maps.JointMaps` of exactly one map.

    Raises:
        ValueError: several maps, or what :class:`~qsr_jax.tasks.joint_maps.JointMaps` refuses.
    """

    KIND: ClassVar[str] = "super_resolution"

    def __post_init__(self) -> None:
        """Refuses several maps."""
        super().__post_init__()
        if len(self.names) != 1:
            raise ValueError(
                f"task.name is {self.KIND}, the maps are {', '.join(self.names)}; use joint_maps, "
                "or one map"
            )
