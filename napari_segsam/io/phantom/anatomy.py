"""The phantom's anatomy: what lies where, in the order in which it is painted (later covers earlier)."""

from __future__ import annotations

import numpy as np

from napari_segsam.io.phantom.shapes import Column, Ellipsoid, Organ, Point, Solid, Tube

_CAVITY = Column((0, -6), (133, 88), 2.3)
_FIRST_VERTEBRA_Z, _VERTEBRA_STEP = -112.0, 28.0  # the lowest is L3
_RIB_12_Z = -14.0
_NAMED_RIBS = range(7, 13)
_TOP = 1e4


def torso() -> tuple[Organ, ...]:
    """All organs, first painted first."""
    return (*_walls(), *_chest(), *_digestive(), *_urinary(), *_vessels(), *_skeleton(), *_couch())


def _walls() -> tuple[Organ, ...]:
    skin, fat = Column((0, 0), (176, 123), 2.3), Column((0, 0), (173, 120), 2.3)
    groove = Tube(((0, 133, -400), (0, 133, 400)), 18)
    back = [(-1, "right"), (1, "left")]
    return (
        Organ("", 20, (skin,), without=(groove,)),
        Organ("", -105, (fat,), without=(Tube(groove.points, 21),), texture=7),
        Organ("", 55, (Column((0, 1), (150, 104), 2.3),), wobble=3, texture=5),
        Organ("", -100, (_CAVITY,), wobble=2, texture=9),
        *(
            Organ(f"autochthon_{side}", 58, (Column((s * 36, 87), (33, 24), 2.2),), wobble=3, texture=8)
            for s, side in back
        ),
        *(
            Organ(f"iliopsoas_{side}", 62, (Tube(((s * 34, 48, 10), (s * 46, 44, -160)), 19),), wobble=2, texture=5)
            for s, side in back
        ),
    )


def _chest() -> tuple[Organ, ...]:
    lungs = [
        Organ(
            "lung",
            -860,
            (Ellipsoid((s * 72, 4, 165), (63, 90, 165)),),
            inside=(Column((0, -4), (131, 91), 2.3),),
            without=(Column((0, 40), (26, 60), 2.2), Column((0, -60), (14, 60), 2.2)),
            wobble=2,
            texture=22,
            vessels=720,
        )
        for s in (-1, 1)
    ]
    heart = (Ellipsoid((22, -32, 128), (62, 50, 56), 20), Ellipsoid((-14, -28, 140), (40, 38, 44)))
    return (
        *lungs,
        Organ("", -90, (Ellipsoid((20, -34, 128), (69, 56, 60), 20),), inside=(_CAVITY,), wobble=3, texture=8),
        Organ("heart_myocardium", 115, heart, inside=(_CAVITY,), wobble=6, blend=16, texture=5),
        Organ("heart_ventricle_left", 205, (Ellipsoid((42, -24, 130), (24, 22, 40), 25),), wobble=2, texture=4),
        Organ("heart_ventricle_right", 180, (Ellipsoid((8, -54, 126), (30, 15, 40), 15),), wobble=2, texture=4),
        Organ("heart_atrium_right", 175, (Ellipsoid((-28, -24, 142), (18, 20, 34)),), wobble=2, texture=4),
        Organ("esophagus", 45, (Tube(((6, 32, 200), (12, 26, 90), (30, 10, 58)), 8),), wobble=1),
    )


def _digestive() -> tuple[Organ, ...]:
    liver: tuple[Solid, ...] = (
        Ellipsoid((-66, -4, 32), (74, 85, 73)),
        Ellipsoid((-90, 14, -28), (38, 56, 66), -6),
        Ellipsoid((8, -52, 42), (74, 30, 32), 12),
    )
    spleen = (Ellipsoid((103, 34, 18), (26, 46, 50), -12),)
    stomach = (Ellipsoid((58, -24, 26), (42, 42, 48), 15), Tube(((48, -42, 0), (18, -56, -34), (-18, -44, -32)), 19))
    inner = (Ellipsoid((58, -24, 26), (37, 37, 43), 15), Tube(((48, -42, 0), (18, -56, -34), (-14, -45, -32)), 14))
    diaphragm = (Ellipsoid((-66, -4, 32), (75, 86, 74)), Ellipsoid((62, 4, 22), (66, 84, 70)))
    below = (Ellipsoid((-66, -4, 32), (72, 83, 71)), Ellipsoid((62, 4, 22), (63, 81, 67)))
    upper = Column((0, 0), (400, 300), 8.0, (24, _TOP))
    pancreas = Tube(((-26, -10, -34), (4, -16, -16), (46, 4, -2), (76, 18, 2)), 12)
    front = Column((0, -110), (400, 62), 8.0)
    fossa = (Ellipsoid((-84, 62, -70), (52, 46, 74)), Ellipsoid((4, 66, 0), (40, 50, 300)))
    return (
        Organ("", 50, diaphragm, inside=(_CAVITY, upper), wobble=2),
        Organ("", -98, below, inside=(Column((0, -6), (129, 84), 2.3), upper), texture=9),
        *_bowel(),
        Organ("liver", 112, liver, (Column((0, -6), (130, 85), 2.3),), fossa, 3, 24, 4, 34),
        Organ("gallbladder", 8, (Ellipsoid((-46, -50, -36), (15, 18, 28), -10),), wobble=1),
        Organ("spleen", 128, spleen, (Column((0, -6), (130, 85), 2.3),), wobble=4, texture=4),
        Organ("stomach", 62, stomach, (_CAVITY,), wobble=3, blend=20),
        Organ("stomach", 18, inner, (_CAVITY,), wobble=3, blend=20, texture=9),
        Organ("stomach", -960, inner, (_CAVITY, front), blend=20),
        Organ("pancreas", 98, (pancreas,), wobble=4, texture=18),
    )


def _bowel() -> tuple[Organ, ...]:
    ways = (
        ((-104, 4, -150), (-106, -2, -92), (-92, -34, -78), (-36, -66, -92), (34, -68, -84), (92, -36, -58)),
        ((104, 12, -50), (108, 22, -96), (104, 20, -150)),
    )
    gas = Column((0, -90), (400, 26), 8.0)
    loops = Tube(((-60, -36, -140), (-20, -46, -116), (30, -40, -122), (66, -30, -140), (20, -20, -146)), 17)
    more = Tube(((-36, -8, -132), (6, -14, -108), (50, -6, -104), (72, 4, -128), (30, 2, -142)), 15)
    return (
        *(Organ("colon", 55, (Tube(way, 22),), inside=(_CAVITY,), wobble=5) for way in ways),
        *(Organ("colon", 15, (Tube(way, 18),), inside=(_CAVITY,), wobble=5, texture=45) for way in ways),
        *(Organ("colon", -930, (Tube(way, 18),), inside=(_CAVITY, gas), wobble=5) for way in ways[:1]),
        Organ("small_bowel", 70, (loops,), inside=(_CAVITY,), wobble=6),
        Organ("small_bowel", 25, (Tube(loops.points, 12),), wobble=6, texture=12),
        Organ("small_bowel", 70, (more,), inside=(_CAVITY,), wobble=6),
        Organ("small_bowel", 30, (Tube(more.points, 10),), wobble=6, texture=12),
    )


def _urinary() -> tuple[Organ, ...]:
    parts = []
    for side, s, x, z in (("right", -1, -64.0, -62.0), ("left", 1, 66.0, -40.0)):
        name, lean = f"kidney_{side}", -12.0 * s
        hilum = Ellipsoid((x - s * 18, 42, z), (15, 9, 20), lean)
        medulla = Ellipsoid((x - s * 2, 46, z), (18, 15, 42), lean)
        parts += [
            Organ("", -100, (Ellipsoid((x, 46, z), (40, 34, 66), lean),), inside=(_CAVITY,), texture=8),
            Organ(name, 205, (Ellipsoid((x, 46, z), (28, 25, 54), lean),), without=(hilum,), wobble=2, texture=5),
            Organ(name, 150, (medulla,), without=(hilum,), wobble=3, texture=22),
            Organ("", -70, (Ellipsoid((x - s * 10, 44, z), (11, 7, 24), lean),), wobble=3),
        ]
    return tuple(parts)


def _vessels() -> tuple[Organ, ...]:
    aorta = Tube(((24, 40, 200), (18, 36, 60), (10, 32, -40), (8, 34, -180)), 11.5)
    cava = Tube(((-24, -14, 110), (-22, 6, 84), (-24, 16, 40), (-20, 24, -40), (-18, 30, -180)), 12)
    portal = Tube(((30, 0, -8), (-4, 0, 2), (-30, -8, 16), (-52, -12, 26)), 7)
    renal = [Tube(((x0, 34, -48), (x1, 40, z)), 4) for x0, x1, z in ((14, 50, -42), (6, -44, -62))]
    return (
        Organ("inferior_vena_cava", 150, (cava,), wobble=2, texture=5),
        Organ("portal_vein_and_splenic_vein", 170, (portal,), wobble=1, texture=4),
        Organ("", 200, tuple(renal)),
        Organ("aorta", 245, (aorta,), wobble=1, texture=4),
    )


def _skeleton() -> tuple[Organ, ...]:
    bones: list[Organ] = []
    for n in range(11):
        bones += _vertebra(_FIRST_VERTEBRA_Z + n * _VERTEBRA_STEP)
    canal = Tube(((0, 86, -400), (0, 86, 400)), 8.5)
    bones.append(Organ("spinal_canal", 28, (canal,)))
    for number in range(4, 13):
        for s, side in ((-1, "right"), (1, "left")):
            bones += _rib(number, s, side)
    return (*bones, Organ("", 320, (Ellipsoid((0, -95, 160), (17, 6, 78)),)))


def _vertebra(z: float) -> list[Organ]:
    """A body between two discs, its arch, and the processes; cortical shell, spongy inside."""
    body = Column((0, 61), (23, 17), 2.3, (z - 11, z + 11))
    arch = Tube(((-13, 78, z), (-11, 95, z), (0, 101, z - 3), (11, 95, z), (13, 78, z)), 4.5)
    spine = Tube(((0, 101, z - 3), (0, 113, z - 10)), 3.5)
    wings = Tube(((-38, 92, z + 2), (-12, 86, z + 2), (12, 86, z + 2), (38, 92, z + 2)), 4.0)
    disc = Column((0, 61), (22, 16), 2.3, (z + 10, z + _VERTEBRA_STEP - 10))
    return [
        Organ("", 85, (disc,)),
        Organ("vertebrae", 520, (body, arch, spine, wings), wobble=1, texture=25),
        Organ("vertebrae", 190, (Column((0, 61), (20, 14), 2.3, (z - 8, z + 8)),), texture=35),
    ]


def _rib(number: int, s: int, side: str) -> list[Organ]:
    """An arc from its vertebra round the flank and down; the last two end in the flank."""
    top = _RIB_12_Z + (12 - number) * _VERTEBRA_STEP
    end = {12: 62, 11: 84}.get(number, 150)
    angles = np.deg2rad(np.linspace(20, end, 9 if number > 10 else 15))
    points: list[Point] = [
        (float(s * 141 * np.sin(a)), float(2 + 98 * np.cos(a)), float(top - 62 * (1 - np.cos(a * 0.75)) * 1.3))
        for a in angles
    ]
    name = f"rib_{side}_{number}" if number in _NAMED_RIBS else ""
    return [
        Organ(name, 560, (Tube(tuple(points), 5.6),), texture=25),
        Organ(name, 210, (Tube(tuple(points), 2.4),), texture=25),
    ]


def _couch() -> tuple[Organ, ...]:
    """A curved table of carbon fibre over foam, one finger below the back."""
    outer, foam = Column((0, 40), (196, 112), 3.2), Column((0, 40), (192, 108), 3.2)
    upper, under = Column((0, 30), (205, 100), 3.2), Column((0, 240), (400, 160), 8.0)
    return (
        Organ("", -180, (outer,), inside=(under,), without=(upper,)),
        Organ("", -890, (foam,), inside=(under,), without=(Column((0, 30), (205, 104), 3.2),)),
    )
