"""Transfer syntaxes that keep every value, and the one decoder that each of them may use.

pydicom would try whatever plugin it finds, python-gdcm first. Damaged streams kill a process with
python-gdcm and raise what is no ``Exception`` with pylibjpeg-rle, so the decoder is named here and
no other is ever asked. Lossy syntaxes have no row.
"""

import dataclasses
import importlib.util

from pydicom.config import IGNORE
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

NATIVE = (
    ImplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    DeflatedExplicitVRLittleEndian,
)
"""Syntaxes whose pixels are plain words."""


@dataclasses.dataclass(frozen=True)
class Codec:
    """Who decodes a compressed syntax.

    Attributes:
        plugin: pydicom's name of the decoding plugin.
        modules: what the plugin imports.
        install: the package to install where a module is absent.
    """

    plugin: str
    modules: tuple[str, ...]
    install: str


_RLE = Codec("pydicom", (), "pydicom")
_JPEG_LS = Codec("pyjpegls", ("jpeg_ls",), "pyjpegls")
_OPENJPEG = Codec("pylibjpeg", ("pylibjpeg", "openjpeg"), "pylibjpeg pylibjpeg-openjpeg")
_LIBJPEG = Codec("pylibjpeg", ("pylibjpeg", "libjpeg"), "pylibjpeg pylibjpeg-libjpeg (GPL-3.0)")

CODECS: dict[str, Codec] = {
    RLELossless: _RLE,
    JPEGLSLossless: _JPEG_LS,
    JPEG2000Lossless: _OPENJPEG,
    HTJ2KLossless: _OPENJPEG,
    HTJ2KLosslessRPCL: _OPENJPEG,
    JPEGLossless: _LIBJPEG,
    JPEGLosslessSV1: _LIBJPEG,
}
"""Compressed syntaxes. JPEG Lossless needs a GPL package that qsr_jax does not install itself."""


def known_name(uid: str) -> str:
    """The registered name of a UID; an unregistered one could say who made the file."""
    name = UID(uid, validation_mode=IGNORE).name
    return name if name != uid else "an unregistered UID"


def why_not(syntax: str) -> str:
    """Why pixels of a transfer syntax cannot be read here; empty where they can."""
    if syntax in NATIVE:
        return ""
    if syntax not in CODECS:
        return f"{known_name(syntax)}; expected an uncompressed or lossless transfer syntax"
    codec = CODECS[syntax]
    if any(importlib.util.find_spec(module) is None for module in codec.modules):
        return f"{known_name(syntax)} needs another package: pip install {codec.install}"
    return ""
