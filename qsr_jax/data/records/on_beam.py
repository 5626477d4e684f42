"""Subjects on Apache Beam (https://beam.apache.org): one machine, a cluster or a cloud.

Beam is an extra that need not be installed: ``pip install "qsr_jax[beam]"``. Every worker must see
the scans and the data folder under the same paths.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any


class MissingBeamError(ValueError):
    """Apache Beam is not installed."""


class BeamError(ValueError):
    """A pipeline ended with an error."""


def on_beam(
    options: Any = None, *, runner: Any = None
) -> Callable[[Callable[..., Any], Sequence[tuple[Any, ...]]], Iterator[Any]]:
    """An engine for :class:`qsr_jax.files.journal.Schedule` that runs a Beam pipeline.

    Args:
        options: Beam's ``PipelineOptions``, or text as tfds takes it, such as
            "runner=DirectRunner,direct_num_workers=4,direct_running_mode=multi_processing".
        runner: a Beam runner or its name; None takes that of the options.

    Raises:
        MissingBeamError: Apache Beam is not installed.
    """
    beam = _beam()
    if isinstance(options, str):
        flags = [f"--{option}" for option in options.split(",") if option]
        options = beam.options.pipeline_options.PipelineOptions(flags=flags)

    def run(call: Callable[..., Any], arguments: Sequence[tuple[Any, ...]]) -> Iterator[Any]:
        try:
            with beam.Pipeline(runner=runner, options=options) as pipeline:
                (
                    pipeline
                    | "Subjects" >> beam.Create(arguments)
                    | "Spread" >> beam.Reshuffle()
                    | "Do" >> beam.MapTuple(call)
                )
        except Exception as error:  # runners wrap what a call raised, each in its own way
            raise BeamError(
                f"Beam pipeline: {_last_line(error)}; the same command goes on"
            ) from error
        yield from (None for _ in arguments)

    return run


def _beam() -> Any:
    try:
        import apache_beam
    except ImportError as error:
        raise MissingBeamError('--beam needs Apache Beam: pip install "qsr_jax[beam]"') from error
    return apache_beam


def _last_line(error: Exception) -> str:
    """What the call said, without the runner's traceback."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
