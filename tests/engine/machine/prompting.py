"""The machine's prompts."""

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from tests.engine.machine.oracle import fraction
from tests.engine.machine.working import Working
from tests.fakes import CLASSES


class Prompting(Working):
    """Whatever a person points at, on any slice."""

    def pixel(self, row, col):
        rows, cols = self.session.view.shape
        return round(row * (rows - 1)), round(col * (cols - 1))

    @rule(row=fraction, col=fraction, positive=st.sampled_from([True, True, False]))
    def click(self, row, col, positive):
        assert self.act(self.controller.click, *self.pixel(row, col), positive)

    @rule(a=st.tuples(fraction, fraction), b=st.tuples(fraction, fraction))
    def box(self, a, b):
        assert self.act(self.controller.box, self.pixel(*a), self.pixel(*b))

    @rule()
    def remove_last_prompt(self):
        self.act(self.controller.remove_last_prompt)

    @rule()
    def clear_prompts(self):
        self.act(self.controller.clear_prompts)

    @rule(path=st.lists(st.tuples(fraction, fraction), min_size=1, max_size=5), positive=st.booleans())
    def lasso(self, path, positive):
        assert self.act(self.controller.lasso, [self.pixel(*at) for at in path], positive)

    @rule(path=st.lists(st.tuples(fraction, fraction), min_size=1, max_size=4), positive=st.booleans())
    def scribble(self, path, positive):
        assert self.act(self.controller.scribble, [self.pixel(*at) for at in path], positive)

    @rule()
    def use_mask(self):
        there = self.session.view.of(self.oracle.labels) == self.oracle.value
        assert self.act(self.controller.use_mask) == bool(there.any())

    @precondition(lambda self: self.session.prompts.clicks)
    @rule(which=fraction, to=st.none() | st.tuples(fraction, fraction))
    def move_or_remove_click(self, which, to):
        index = round(which * (len(self.session.prompts.clicks) - 1))
        if to is None:
            assert self.act(self.controller.remove_click, index)
        else:
            assert self.act(self.controller.move_click, index, *self.pixel(*to))

    @rule(corners=st.none() | st.tuples(st.tuples(fraction, fraction), st.tuples(fraction, fraction)))
    def move_or_remove_box(self, corners):
        there = self.session.prompts.box is not None
        if corners is None:
            assert self.act(self.controller.remove_box) == there
        else:
            assert self.act(self.controller.move_box, *(self.pixel(*c) for c in corners)) == there

    @rule(collects=st.booleans())
    def collect(self, collects):
        self.controller.collect(collects)

    @rule(index=st.integers(0, 4))
    def candidate(self, index):
        self.act(self.controller.choose_candidate, index)

    @rule(name=st.sampled_from([*CLASSES, "gizzard"]))
    def choose_class(self, name):
        self.act(self.controller.choose_class, name)
