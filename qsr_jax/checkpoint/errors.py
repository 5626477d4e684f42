"""What can be wrong with a checkpoint."""


class CheckpointError(ValueError):
    """A checkpoint is missing, incomplete, or belongs to something else."""


class DamageError(CheckpointError):
    """A finished checkpoint's bytes are not those that were saved."""


def first_line(error: Exception) -> str:
    """The first line of a library's error, short enough to quote."""
    return str(error).strip().split("\n")[0][:200]
