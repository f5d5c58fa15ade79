import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from napari_segsam.core.colours import colour_of

ONE_CT = """
    liver spleen kidney_left kidney_right stomach pancreas gallbladder duodenum colon small_bowel esophagus aorta
    inferior_vena_cava portal_vein_and_splenic_vein adrenal_gland_left adrenal_gland_right urinary_bladder heart
    lung_lower_lobe_left lung_lower_lobe_right lung_upper_lobe_left lung_upper_lobe_right autochthon_left
    autochthon_right iliopsoas_left iliopsoas_right vertebrae_t12 vertebrae_l1 vertebrae_l2 prostate trachea
"""
"""What the window shows side by side on one CT of the trunk."""


def cielab(name: str) -> NDArray[np.float64]:
    """L*, a*, b* (D65) of a name's colour; IEC 61966-2-1 and CIE 15."""
    rgb = np.array(colour_of(name))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    to_xyz = [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
    xyz = np.array(to_xyz) @ linear / (0.95047, 1.0, 1.08883)
    x, y, z = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def distances(names: list[str]) -> list[float]:
    """CIE76 of all pairs."""
    return [math.dist(cielab(a), cielab(b)) for a, b in itertools.combinations(names, 2)]


def test_no_two_organs_of_one_ct_look_alike() -> None:
    assert min(distances(ONE_CT.split())) > 30


def test_the_vertebrae_of_one_spine_look_different() -> None:
    spine = [*(f"vertebrae_t{n}" for n in range(1, 13)), *(f"vertebrae_l{n}" for n in range(1, 6))]
    assert min(distances(spine)) > 18


@given(st.text(max_size=30))
def test_any_name_has_one_colour_that_is_seen_on_a_dark_canvas_and_is_no_grey(name: str) -> None:
    light, a, b = cielab(name)
    assert colour_of(name) == colour_of(name)
    assert all(0 <= part <= 1 for part in colour_of(name))
    assert 44.5 <= light <= 92.5
    assert math.hypot(a, b) > 29.5


def test_names_that_nobody_chose_a_colour_for_are_seldom_alike() -> None:
    near = [distance < 10 for distance in distances([f"my_class_{n}" for n in range(60)])]
    assert sum(near) / len(near) < 0.01


def test_a_colour_is_the_same_in_every_session() -> None:
    assert colour_of("my_class_1") == pytest.approx((0.6715, 0.8079, 0.4457), abs=1e-3)
