"""Memory that a process frees is kept for what it asks for next."""

import ctypes

TRIM_THRESHOLD, MMAP_MAX, ARENA_MAX, MOST_BYTES = -1, -4, -8, 2**31 - 1
"""Switches of mallopt(3), and the largest number one takes."""


def keep_freed_memory() -> None:
    """Tells the C library to hand freed memory out again, not back to the system.

    A scan makes and frees arrays of tens of megabytes by the hundred, and the system clears every
    page of each anew: a quarter of a simulation's processor time. The process then stays as large
    as it was at its largest, until this is called again: what is free then is given back first, so
    that a subject does not pay for the holes of the one before. Threads share one heap.
    C libraries other than GNU's lack the switch and are left alone.

    >>> keep_freed_memory()
    """
    library = ctypes.CDLL(None)
    if hasattr(library, "mallopt"):
        library.mallopt(ARENA_MAX, 1)
        library.mallopt(MMAP_MAX, 0)
        library.mallopt(TRIM_THRESHOLD, MOST_BYTES)
        library.malloc_trim(0)
