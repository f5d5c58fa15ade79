"""Suggestions in the machine: they are asked for, accepted, rejected."""

from hypothesis.stateful import precondition, rule

from napari_segsam.engine.suggest import Settled, refinement_prompts
from tests.engine.machine.oracle import fraction
from tests.engine.machine.working import Working


class Suggesting(Working):
    """An accepted one is refined first, and is an object only when that is answered."""

    @rule()
    def suggest(self):
        self.controller.suggest()

    @precondition(lambda self: self.session.suggestions)
    @rule(which=fraction)
    def accept(self, which):
        chosen = self.session.suggestions[round(which * (len(self.session.suggestions) - 1))]
        self.controller.accept(chosen)
        kind = Settled.of(chosen, self.session.place)
        job = next(j for j in self.executor.waiting if j.key == kind)
        self.accepting.pop(kind, None)
        self.accepting[kind] = (job, self.session.view, chosen)

    @precondition(lambda self: self.session.suggestions)
    @rule(which=fraction)
    def reject(self, which):
        chosen = self.session.suggestions[round(which * (len(self.session.suggestions) - 1))]
        self.accepting.pop(Settled.of(chosen, self.session.place), None)
        assert self.act(self.controller.reject, chosen)
        assert all(s is not chosen for s in self.session.suggestions)

    def oracle_accepts(self, value, view, suggestion):
        refined = self.fresh(view, refinement_prompts(suggestion, view.spacing_mm), self.session.window).mask
        mask = refined if refined.any() else suggestion.mask
        self.oracle.draw(view, mask, value, set())
        self.oracle.value = self.session.value
