"""Weighted images: which series is T1w, T2w or FLAIR, told by its times, not by its name.

Their values have no unit: what a scanner stores is taken, with its rescale where it says one.
"""

import contextlib
import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from qsr_jax.acquisition import CONTRASTS
from qsr_jax.data.dicom.attributes import unquoted
from qsr_jax.data.dicom.decoder_process import DecodeWorker
from qsr_jax.data.dicom.errors import DicomInputError
from qsr_jax.data.dicom.find import SeriesFiles
from qsr_jax.data.dicom.frames import Frame
from qsr_jax.data.dicom.locate import series_at
from qsr_jax.data.dicom.pixels import padding_of, stored_pixels
from qsr_jax.data.dicom.read import open_slices
from qsr_jax.data.dicom.scaling import scale_of
from qsr_jax.data.dicom.series import Series, placed_series
from qsr_jax.data.dicom.stack import stacked

T1W_TR_MS, T1W_TE_MS = 1500.0, 45.0
"""Repetition and echo times below which a spin echo is T1-weighted; our choice."""

LONG_TE_MS, LONG_TI_MS = 55.0, 1500.0
"""Echo times from which an image is T2-weighted, inversion times from which fluid is nulled."""

FLUID_WORDS = ("flair", "tirm", "dark fluid", "dark-fluid", "darkfluid")
"""What series of FLAIR are called; it only ever makes a series be refused."""

MPRAGE_WORDS = ("mprage", "mp-rage", "bravo", "spgr", "tfl", "tfe", "fspgr")


@dataclasses.dataclass(frozen=True)
class Timing:
    """What the header of a weighted image says about its contrast.

    Attributes:
        tr_ms: repetition time.
        te_ms: (effective) echo time.
        ti_ms: inversion time; NaN without inversion, or where the header does not say it.
        gradient_echo: whether ScanningSequence (EchoPulseSequence of multi-frame files) or a name
            says so.
        inverted: whether ScanningSequence (InversionRecovery) says so, or there is an inversion
            time.
        fluid_nulled: whether the series is called FLAIR.
        agent: whether a contrast agent is named.
    """

    tr_ms: float
    te_ms: float
    ti_ms: float
    gradient_echo: bool
    inverted: bool
    fluid_nulled: bool
    agent: bool


def contrast_of(timing: Timing) -> tuple[str, str]:
    """The contrast of a series, or "" and the reason why it is none that can be used.

    >>> contrast_of(Timing(500.0, 12.0, float("nan"), False, False, False, False))
    ('t1w', '')
    >>> contrast_of(Timing(2300.0, 3.0, 900.0, True, True, False, False))[1]
    'an inversion-prepared or spoiled gradient echo such as MPRAGE; T1w must be a spin echo'
    """
    if timing.gradient_echo:
        return "", (
            "an inversion-prepared or spoiled gradient echo such as MPRAGE; T1w must be a spin echo"
        )
    inverted = timing.inverted or timing.fluid_nulled
    if inverted and timing.te_ms < LONG_TE_MS:
        return "", "inverted with a short echo time, a T1-FLAIR; T1w must have no inversion"
    if inverted and np.isnan(timing.ti_ms):
        return "", "a FLAIR without InversionTime (0018,0082); its signal cannot be computed"
    if inverted and timing.ti_ms < LONG_TI_MS:
        return (
            "",
            f"inverted at {timing.ti_ms:g} ms; FLAIR nulls fluid, later than {LONG_TI_MS:g} ms",
        )
    if inverted:
        return "flair", ""
    if timing.tr_ms < T1W_TR_MS and timing.te_ms < T1W_TE_MS:
        return ("", "T1w after a contrast agent") if timing.agent else ("t1w", "")
    if timing.tr_ms >= T1W_TR_MS and timing.te_ms >= LONG_TE_MS:
        return "t2w", ""
    return "", f"TR {timing.tr_ms:g} and TE {timing.te_ms:g} ms are neither T1w, T2w nor FLAIR"


def timing_of(frame: Frame) -> Timing:
    """What a slice says about its contrast.

    Raises:
        DicomInputError: no repetition or echo time, or a time that is no number.
    """
    echo = "EffectiveEchoTime" if frame.value("EffectiveEchoTime") is not None else "EchoTime"
    inversion = next(
        (key for key in ("InversionTime", "InversionTimes") if frame.value(key) is not None), None
    )
    sequence = frame.texts("ScanningSequence") if frame.value("ScanningSequence") else ()
    named = " ".join(
        frame.optional_text(key).lower()
        for key in ("SeriesDescription", "SequenceName", "ProtocolName", "PulseSequenceName")
    )
    ti_ms = float("nan") if inversion is None else frame.number(inversion)
    return Timing(
        tr_ms=frame.number("RepetitionTime"),
        te_ms=frame.number(echo),
        ti_ms=ti_ms if ti_ms > 0 else float("nan"),
        gradient_echo="GR" in sequence
        or frame.optional_text("EchoPulseSequence") in ("GRADIENT", "BOTH")
        or any(word in named for word in MPRAGE_WORDS),
        inverted="IR" in sequence or frame.optional_text("InversionRecovery") == "YES" or ti_ms > 0,
        fluid_nulled=any(word in named for word in FLUID_WORDS),
        agent=bool(frame.optional_text("ContrastBolusAgent")),
    )


def series_timing(found: SeriesFiles) -> Timing:
    """The timing of a series, from the first slice of its first file.

    Raises:
        DicomInputError: the series cannot be read, or says no times.
    """
    with unquoted("ignore"):
        return timing_of(open_slices(found)[0])


def read_weighted(
    place: Path | SeriesFiles, name: str, *, worker: DecodeWorker | None = None
) -> tuple[Series, Timing]:
    """Reads a series of weighted images, whatever its contrast.

    Args:
        place: a folder that holds it, a file of it, or what ``find_series`` found.
        name: of the contrast, one of ``CONTRASTS``; becomes the series' ``map_name``.
        worker: decodes compressed pixels; None starts one where it is needed.

    Returns:
        The series, values as stored times their rescale slope, canonical orientation; its timing.

    Raises:
        DicomInputError: naming the file, the keyword, its tag and the reason.
        ValueError: ``name`` is no contrast.
    """
    if name not in CONTRASTS:
        raise ValueError(f"contrast {name!r} is not one of {', '.join(CONTRASTS)}")
    with contextlib.ExitStack() as context:
        context.enter_context(unquoted("ignore"))
        worker = worker or context.enter_context(DecodeWorker())
        found = place if isinstance(place, SeriesFiles) else series_at(place)
        frames, geometry = stacked(open_slices(found))
        values = _values(frames, worker)
    series = placed_series(frames, values, geometry, name, place=found.place)
    return series, timing_of(frames[0])


def _values(frames: Sequence[Frame], worker: DecodeWorker) -> np.ndarray:
    """The slices (z, y, x) float32; padding is 0.

    Raises:
        DicomInputError: negative values: a phase image, or a scale that is not a magnitude's.
    """
    decoded: dict[int, np.ndarray] = {}
    slices = []
    for frame in frames:
        scale, key = scale_of(frame), id(frame.header)
        if key not in decoded:
            decoded[key] = stored_pixels(frame.header, worker)
        stored = decoded[key][frame.index or 0]
        values = stored.astype(np.float32)
        if scale is not None:
            values = values * np.float32(scale.slope) + np.float32(scale.intercept)
        padding = padding_of(frame, stored)
        if padding is not None:
            values[padding] = 0.0
        if values.min() < 0:
            frame.refuse(frame.header.pixel_keyword, "negative values; expected a magnitude image")
        slices.append(values)
    found = np.stack(slices)
    if not found.any():
        raise DicomInputError(frames[0].path, frames[0].header.pixel_keyword, "the image is empty")
    return found
