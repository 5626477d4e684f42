"""A cohort, one subject after the other: side by side, killed and resumed, shared by machines.

Each subject's result is a JSON value in a file of its own, named by the digest of everything the
result depends on. It is written whole when the subject is done. A run that was killed does what the
journal lacks; several machines with one journal do a shard each, and the last of them merges.
"""

import collections
import contextlib
import dataclasses
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from tqdm import tqdm

from qsr_jax.files.atomic import write_text_atomically
from qsr_jax.files.digest import json_sha256
from qsr_jax.files.processes import in_processes

Run = Callable[[Callable[..., Any], Sequence[tuple[Any, ...]]], Iterator[Any]]
"""Does ``call(*one)`` for each of many arguments, somewhere; yields after each."""
ItemT = TypeVar("ItemT")
NAMED = 3
"""Missing subjects that a refusal names."""


class IncompleteError(ValueError):
    """A merge that lacks subjects."""


@dataclasses.dataclass(frozen=True)
class Job:
    """One subject.

    Attributes:
        name: for messages; no personal value.
        inputs: digest of everything the result depends on.
        arguments: of the call.
    """

    name: str
    inputs: str
    arguments: tuple[Any, ...]


@dataclasses.dataclass(frozen=True)
class Schedule:
    """Who does what.

    Attributes:
        workers: processes of this machine.
        shard: (3, 10) does the third of ten parts and leaves the rest to other machines.
        merge: whether nothing may be missing any more: a journal that lacks subjects is refused.
        run: another engine than processes of this machine.
    """

    workers: int = 1
    shard: tuple[int, int] | None = None
    merge: bool = False
    run: Run | None = None


def parse_shard(text: str) -> tuple[int, int]:
    """Takes "3/10" apart.

    >>> parse_shard("3/10")
    (3, 10)

    Raises:
        ValueError: not I/N with I from 1 to N.
    """
    number, _, count = text.partition("/")
    if not (number.isdecimal() and count.isdecimal() and 1 <= int(number) <= int(count)):
        raise ValueError(f"shard {text!r}: expected I/N with I from 1 to N, as in 3/10")
    return int(number), int(count)


def files_sha256(files: Iterable[Path], root: Path) -> str:
    """Digest of names, sizes and times of change of files: what tells that none was touched.

    A file that is not there, such as a link that leads nowhere, has a name only: whoever reads it
    says what is wrong, and no other subject's work ends for it.
    """
    return json_sha256([[p.relative_to(root).as_posix(), *_facts(p)] for p in sorted(files)])


def _facts(path: Path) -> list[int]:
    try:
        status = path.stat()
    except OSError:
        return []
    return [status.st_size, status.st_mtime_ns]


class Journal:
    """Results of subjects, in a folder.

    Attributes:
        folder: made by the first result.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def holds(self, job: Job) -> bool:
        """Whether the subject is done."""
        return self._path(job).is_file()

    def result(self, job: Job) -> Any:
        """What the subject's call returned.

        Raises:
            OSError, ValueError: it is not done, or the file cannot be read.
        """
        return json.loads(self._path(job).read_text(encoding="utf-8"))

    def work(
        self, call: Callable[..., Any], jobs: Sequence[Job], schedule: Schedule, *, label: str
    ) -> bool:
        """Does what is missing, with a bar that tells the time left.

        Args:
            call: takes a job's arguments, returns a JSON value; importable by other processes.
            jobs: all subjects, in an order that every machine finds.
            schedule: who does what.
            label: of the bar.

        Returns:
            Whether all subjects are done; a shard says False.

        Raises:
            IncompleteError: a merge lacks subjects.
            ValueError: a schedule that cannot be; and whatever a call raises.
        """
        if schedule.merge and schedule.shard:
            raise ValueError("--merge takes all shards together; give it without --shard")
        part = part_of(jobs, schedule.shard)
        todo = [job for job in part if not self.holds(job)]
        if schedule.merge and todo:
            raise IncompleteError(_missing(todo, jobs, self.folder))
        self.folder.mkdir(parents=True, exist_ok=True)
        calls = [(self._path(job), call, job.arguments) for job in todo]
        done = (
            schedule.run(keep, calls)
            if schedule.run
            else in_processes(keep, calls, workers=schedule.workers)
        )
        bar = tqdm(
            done,
            desc=label,
            unit="subject",
            mininterval=1,
            delay=1,
            total=len(part),
            initial=len(part) - len(todo),
            disable=not todo,
        )
        try:
            collections.deque(bar, maxlen=0)
        finally:
            with contextlib.suppress(OSError):
                self.folder.rmdir()  # nobody was done
        return schedule.shard is None

    def _path(self, job: Job) -> Path:
        return self.folder / f"{job.inputs}.json"


def part_of(items: Sequence[ItemT], shard: tuple[int, int] | None) -> Sequence[ItemT]:
    """What one machine does of all: every tenth from the third on for (3, 10); None for all.

    >>> part_of("abcdefg", (2, 3))
    'be'
    """
    return items if shard is None else items[shard[0] - 1 :: shard[1]]


def keep(path: Path, call: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    """Does one subject and writes what was found."""
    result = call(*arguments)
    write_text_atomically(path, json.dumps(result))


def _missing(todo: Sequence[Job], jobs: Sequence[Job], folder: Path) -> str:
    names = ", ".join(job.name for job in todo[:NAMED])
    return (
        f"{folder}: {len(todo)} of {len(jobs)} subjects are missing ({names}"
        f"{', ...' if len(todo) > NAMED else ''}); run the --shard that did not end again, or run "
        "without --shard and --merge to do them here"
    )
