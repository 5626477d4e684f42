"""Effective flip angles: what the fit has to know of real slices, as data."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Angles:
    """Effective flip angles as functions of the relative transmit field B1 (1 = nominal).

    ``theta = theta_deg + slope_deg (B1 - 1)`` is the saturation angle,
    ``alpha = min(ratio theta + offset_deg, cap_deg)`` the excitation angle.

    Attributes:
        theta_deg: saturation angle at B1 = 1.
        slope_deg: its growth per unit of B1.
        ratio: growth of the excitation angle per degree of saturation angle.
        offset_deg: excitation angle at saturation angle 0.
        cap_deg: largest excitation angle that a slice profile reaches.
        echo_gain: factors that make the echoes comparable (slice profiles differ per echo).
    """

    theta_deg: float
    slope_deg: float
    ratio: float
    offset_deg: float
    cap_deg: float
    echo_gain: tuple[float, float]


IDEAL = Angles(120.0, 120.0, 0.75, 0.0, 180.0, (1.0, 1.0))
"""Level A: the nominal 120 and 90 degrees, both proportional to B1. For unit tests."""

EFFECTIVE = Angles(106.0, 88.0, 1.0, -34.5, 69.0, (1.036, 0.977))
"""Level B: slice-profile averages of Warntjes 2008 (doi:10.1002/mrm.21635): 106 degrees at B1 = 1
and 80-115 degrees for B1 = 70-110 %, excitation = saturation - 34.5 degrees, at most 69."""

LINEAR, INTERLEAVED, ALONE = "linear", "interleaved", "alone"
SLICE_ORDERS = (LINEAR, INTERLEAVED)
"""One after the other, as Warntjes 2008 plays them; or every second one first, then the others."""

CALIBRATED = {
    LINEAR: Angles(100.51, 75.02, 0.5055, 1.5, 53.36, (1.0607, 0.9428)),
    INTERLEAVED: Angles(98.65, 79.9, 0.5385, 3.8, 59.29, (1.0706, 0.9341)),
    ALONE: Angles(98.4, 79.01, 0.5781, 2.47, 62.07, (1.0767, 0.9287)),
}
"""What the fit has to believe to read a phantom right that is scanned as :data:`ROUTINE` plays it,
in each order of the slices and without neighbours' pulses, as a maker would calibrate it:
:func:`qsr_jax.physics.slice_calibration.calibrated_angles`, rounded. The excitation angle takes all
that the slice's profile, its train and its neighbours cost in signal."""
