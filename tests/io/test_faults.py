from typing import Annotated

import pytest
from pydantic import BaseModel, Field, ValidationError

from napari_segsam.io.faults import first_fault


class Asked(BaseModel):
    side: Annotated[int, Field(multiple_of=16)] = 16


def test_a_number_that_is_no_multiple_is_refused_in_plain_words():
    with pytest.raises(ValidationError) as error:
        Asked(side=100)
    assert first_fault(error.value) == ("side", "must be a multiple of 16")
