"""Items that sequences of several kinds of DICOM object have: codes (PS3.3 8.8) and references to images (10.3)."""

from __future__ import annotations

from pydicom.dataset import Dataset

from napari_segsam.core.terminology import Code, Coding

_LONGEST_VALUE, _LONGEST_SCHEME, _LONGEST_MEANING = 16, 16, 64
"""Characters of a Code Value (longer ones have an element of their own), a designator and a meaning."""


def image_item(header: Dataset) -> Dataset:
    """A reference to the image with this header."""
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = header.SOPClassUID, header.SOPInstanceUID
    return item


def code_item(code: Code) -> Dataset:
    """A code as an item of a code sequence."""
    item = Dataset()
    item.CodeMeaning, item.CodingSchemeDesignator = code.meaning, code.scheme
    if len(code.value) <= _LONGEST_VALUE:
        item.CodeValue = code.value
    elif code.value.startswith("urn") or "://" in code.value:
        item.URNCodeValue = code.value
    else:
        item.LongCodeValue = code.value
    return item


def code_in(item: Dataset, keyword: str) -> Code | None:
    """The first code of a sequence in ``item``, None where it has none."""
    for code in item.get(keyword) or ():
        value = code.get("CodeValue") or code.get("LongCodeValue") or code.get("URNCodeValue") or ""
        return Code(str(value), str(code.get("CodeMeaning") or ""), str(code.get("CodingSchemeDesignator") or ""))
    return None


def check_codes(name: str, coding: Coding | None) -> None:
    """Refuse codes that a class, called ``name``, was read with and DICOM cannot hold.

    Raises:
        ValueError: the end of a sentence.
    """
    codes = (coding.category, coding.type, coding.modifier, coding.region, coding.region_modifier) if coding else ()
    for code in filter(None, codes):
        fits = len(code.meaning) <= _LONGEST_MEANING and len(code.scheme) <= _LONGEST_SCHEME
        texts = code.value + code.meaning + code.scheme
        if not fits or "\\" in texts or not texts.isprintable():
            raise ValueError(
                f"a code of '{name}' is none that DICOM can hold, with a meaning of at most {_LONGEST_MEANING} and a "
                f"scheme of at most {_LONGEST_SCHEME} characters and no backslash; give it other codes (--codes)"
            )
