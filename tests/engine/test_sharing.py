"""A map that never changes: a dict for each state of it, in the memory of what differs."""

import sys

from hypothesis import given
from hypothesis import strategies as st

from napari_segsam.engine.sharing import Map

keys = st.integers(0, 12) | st.tuples(st.integers(0, 2), st.integers(0, 9))
changes = st.lists(st.tuples(keys, st.sampled_from([None, "a", "b", "c"])), max_size=60)


@given(st.dictionaries(keys, st.text(max_size=1)), changes)
def test_every_state_stays_what_a_dict_was_by_then(first, deeds):
    expected, made = [first], [Map(first)]
    for key, value in deeds:  # None: it goes
        last = dict(expected[-1])
        last.pop(key, None)
        expected.append(last if value is None else last | {key: value})
        made.append(made[-1].without(key) if value is None else made[-1].put(key, value))
    for one, true in zip(made, expected, strict=True):
        assert dict(one) == true and len(one) == len(true)
        assert {k: one.get(k) for k in true} == true and "nowhere" not in one


@given(st.dictionaries(keys, st.sampled_from("abc")), st.dictionaries(keys, st.sampled_from("abc")), changes)
def test_what_differs_is_what_differs_in_dicts(first, other, deeds):
    later = Map(first)
    for key, value in deeds:
        later = later.without(key) if value is None else later.put(key, value)
    for one, two in [(Map(first), later), (later, Map(first)), (Map(first), Map(other))]:
        assert one.differing(two) == {k for k in one.keys() | two.keys() if one.get(k) is not two.get(k)}


def test_without_what_is_not_there_it_is_the_same_map():
    one = Map({1: "a"})
    assert one.without(2) is one


def copied(map_, key):
    """Bytes of the dicts that a change makes anew."""
    changed = map_.put(key, "x").put("other", "y").without("other")
    return sum(sys.getsizeof(part) for part in changed._parts if not any(part is old for old in map_._parts))


def test_a_change_copies_little_of_a_large_map():
    small, large = (Map({(2, k): k for k in range(n)}) for n in (100, 10_000))
    assert copied(large, (2, 5)) < 20 * copied(small, (2, 5)) < sys.getsizeof(dict(large)) / 4


def test_entries_are_spread_as_a_map_grows():
    grown = Map()
    for k in range(5000):
        grown = grown.put((2, k), k)
    assert max(len(part) for part in grown._parts) < 400 and len(grown) == 5000
