"""Units of length that headers name, in millimetres."""

from __future__ import annotations

MILLIMETRES = {
    **dict.fromkeys(("mm", "millimeter", "millimeters", "millimetre", "millimetres"), 1.0),
    **dict.fromkeys(("m", "meter", "meters", "metre", "metres"), 1000.0),
    **dict.fromkeys(("cm", "centimeter", "centimeters", "centimetre", "centimetres"), 10.0),
    **dict.fromkeys(("um", "\xb5m", "\u03bcm", "micron", "microns", "micrometer", "micrometers"), 0.001),
}
"""Name of a unit -> how many millimetres it is."""

NO_UNIT = "The file does not say its unit of length; millimetres are taken."
NO_SPACING = "The file does not say how far voxels are apart; 1 mm is taken."


def converted(scale: float) -> str:
    """What to say of a file that counts in units of ``scale`` millimetres."""
    return f"The file counts in units of {scale:g} mm; they were converted to millimetres."
