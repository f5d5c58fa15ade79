"""What is wrong with a file that a person wrote, in plain words instead of pydantic's."""

from __future__ import annotations

from pydantic import ValidationError

_PLAIN = {
    "extra_forbidden": "unknown key",
    "missing": "is missing",
    "finite_number": "must be a finite number",
    "greater_than": "must be more than {gt:g}",
    "greater_than_equal": "must be at least {ge:g}",
    "less_than": "must be less than {lt:g}",
    "less_than_equal": "must be at most {le:g}",
    "multiple_of": "must be a multiple of {multiple_of:g}",
    "literal_error": "must be {expected}",
    "too_short": "needs {min_length} or more entries",
    "too_long": "takes {max_length} or fewer entries",
    "string_too_short": "must not be empty",
    "value_error": "{error}",
    **dict.fromkeys(("float_type", "float_parsing"), "must be a number"),
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float", "int_parsing_size"), "must be a whole number"),
    **dict.fromkeys(("bool_type", "bool_parsing"), "must be true or false"),
    **dict.fromkeys(("string_type", "string_unicode", "path_type"), "must be text"),
    **dict.fromkeys(("list_type", "tuple_type"), "must be a list"),
    **dict.fromkeys(("model_type", "model_attributes_type", "dict_type"), "must have keys of its own"),
}


def first_fault(error: ValidationError) -> tuple[str, str]:
    """Where the first fault is, as in ``objects[0].box`` (empty: the whole file), and what it is.

    Parts of a place in angle brackets are tags of a union, which nobody wrote, and are left out.
    """
    fault = error.errors(include_url=False)[0]
    parts = [p for p in fault["loc"] if not str(p).startswith("<")]
    where = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in parts).lstrip(".")
    plain = _PLAIN.get(fault["type"])
    return where, plain.format_map(fault.get("ctx", {})) if plain else fault["msg"]
