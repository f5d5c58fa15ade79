"""Colours of class names: far apart for what one scan of a body shows, spread at random for all other names."""

from __future__ import annotations

import math
from collections.abc import Iterator
from hashlib import blake2b
from itertools import count

RGB = tuple[float, float, float]
"""sRGB, each part 0..1."""

_DARKEST, _BRIGHTEST, _LEAST_CHROMA = 45.0, 92.0, 30.0
"""Of a colour in CIELAB: seen on a dark canvas, and no grey of the scan."""

# Points of that part of sRGB as far as possible from one another (CIE76): first those of the 40 classes that one CT of
# the trunk shows, at least 31 apart, then with these kept those of the others, at least 18. Change no entry: colours
# lie in people's files and memories. A new name goes to the end.
_CHOSEN = """
liver=a8ff00 spleen=a000ff kidney_left=00ff00 kidney_right=00ffe0 stomach=0098f0 pancreas=e8f018 gallbladder=f86888
duodenum=c04028 colon=00ffa0 small_bowel=986048 esophagus=c0f0c0 aorta=ff0000 inferior_vena_cava=a05078
portal_vein_and_splenic_vein=c860ff adrenal_gland_left=ffb000 adrenal_gland_right=9050b0 urinary_bladder=90a808
heart=ff0050 lung_left=90d0ff lung_right=287860 lung_lower_lobe_left=e0b8f8 lung_lower_lobe_right=ff00ff
lung_upper_lobe_left=40b878 lung_upper_lobe_right=f87000 lung_middle_lobe_right=5050ff autochthon_left=b0f888
autochthon_right=6868a0 iliopsoas_left=ff88e8 iliopsoas_right=ff0090 spinal_cord=ffe880 vertebrae_l1=a07800
vertebrae_t12=188000 vertebrae_l2=2870f0 vertebrae_t11=ffa068 vertebrae_l3=0080a0 prostate=ffb0b8 liver_tumor=c800a8
kidney_tumor=58c8c8 pancreas_tumor=00c830 trachea=909858 vertebrae_l4=ffd090 vertebrae_l5=9098ff vertebrae_t10=c03088
vertebrae_t9=c8a800 vertebrae_t8=c06000 vertebrae_t7=707800 vertebrae_t6=80d000 vertebrae_t5=98f8b0
vertebrae_t4=68a040 vertebrae_t3=ff98c8 vertebrae_t2=507840 vertebrae_t1=7850d8 vertebrae_c7=ffc058 sacrum=70a880
hip_left=d8d848 hip_right=f88880 femur_left=ff68f8 femur_right=806830 gluteus_maximus_left=98d048
gluteus_maximus_right=b880ff gluteus_medius_left=e00020 gluteus_medius_right=00d8ff gluteus_minimus_left=d02068
gluteus_minimus_right=00b850 iliac_artery_left=d0e888 iliac_artery_right=90a0e0 iliac_vena_left=b8b048
iliac_vena_right=c07880 heart_atrium_left=00f8ff heart_atrium_right=b080b0 heart_ventricle_left=c000d0
heart_ventricle_right=f850c0 heart_myocardium=6060c0 pulmonary_artery=00ff68 superior_vena_cava=c09050
lung_nodule=00a890 lung_tumor=b84850 kidney_cyst=ff9838 colon_cancer=ff5850 rectum=10a8e0 uterus=90f8e0 sternum=88ff58
scapula_left=a838c0 scapula_right=c868b0 clavicula_left=f87848 clavicula_right=e8a888 humerus_left=9830e8
humerus_right=0070b0 brain=48a800 skull=ff60a8 thyroid_gland=008040 rib_left_12=d0d090 rib_right_12=c088e0
rib_left_11=90c880 rib_right_11=30e8a8 rib_left_10=ff10d8 rib_right_10=70e060 rib_left_9=d02848 rib_right_9=d84000
rib_left_8=a85828 rib_right_8=ff0870 rib_left_7=ffd810 rib_right_7=c8f848
"""
_BY_NAME = dict(entry.split("=") for entry in _CHOSEN.split())


def colour_of(name: str) -> RGB:
    """The colour of a class name: the same in every session and file."""
    chosen = _BY_NAME.get(name)
    if chosen is None:
        return _drawn(name)
    red, green, blue = bytes.fromhex(chosen)
    return red / 255, green / 255, blue / 255


def _drawn(name: str) -> RGB:
    """The first colour that is one, of points of CIELAB that the name alone decides."""
    drawn = ((a, b, _srgb(light, a, b)) for light, a, b in _points(name))
    return next(rgb for a, b, rgb in drawn if math.hypot(a, b) >= _LEAST_CHROMA and all(0 <= c <= 1 for c in rgb))


def _points(name: str) -> Iterator[tuple[float, float, float]]:
    """Endless (L*, a*, b*) within a box that holds all colours of the lightness that is wanted."""
    for attempt in count():
        drawn = blake2b(name.encode(), digest_size=6, salt=attempt.to_bytes(2, "big")).digest()
        x, y, z = (int.from_bytes(drawn[at : at + 2], "big") / 0xFFFF for at in (0, 2, 4))
        yield _DARKEST + (_BRIGHTEST - _DARKEST) * x, 220 * y - 110, 220 * z - 110


def _srgb(light: float, a: float, b: float) -> RGB:
    """CIELAB (D65) -> sRGB by IEC 61966-2-1; outside 0..1 where sRGB has no such colour."""
    y = (light + 16) / 116
    x, y, z = 0.95047 * _cubed(y + a / 500), _cubed(y), 1.08883 * _cubed(y - b / 200)
    return (
        _gamma(3.2404542 * x - 1.5371385 * y - 0.4985314 * z),
        _gamma(-0.9692660 * x + 1.8760108 * y + 0.0415560 * z),
        _gamma(0.0556434 * x - 0.2040259 * y + 1.0572252 * z),
    )


def _cubed(f: float) -> float:
    return f**3 if f > 6 / 29 else (f - 4 / 29) * 3 * (6 / 29) ** 2


def _gamma(linear: float) -> float:
    return 12.92 * linear if linear <= 0.0031308 else 1.055 * linear ** (1 / 2.4) - 0.055
