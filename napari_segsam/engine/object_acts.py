"""ObjectActs: what a person says of objects. Their classes and outlines, which one is worked on, how far they are."""

from __future__ import annotations

from dataclasses import replace

from napari_segsam.core.terminology import spoken
from napari_segsam.engine.acting import Acting
from napari_segsam.engine.names import own_name
from napari_segsam.engine.standing import Status
from napari_segsam.engine.telling import told


class ObjectActs(Acting):
    """The objects, by their voxel values."""

    @told
    def choose_class(self, name: str) -> None:
        """Name the current object; also renames its label where it was committed.

        Any name will do that can be one, see :func:`names.class_name`. One that the model does not know has no class
        id, so `semantic` does not show it.
        """
        called = own_name(name, self.session.vocabulary)
        if called != self.session.chosen_class:
            self._done(self.session.choose_class(called))

    @told
    def choose_candidate(self, index: int) -> None:
        """Show another of ``prediction.candidates``; counts round past the end."""
        self._follow(self.session.choose_candidate(index))

    @told
    def commit(self) -> None:
        """The shown mask becomes the current object's voxels on this slice; see Session for what it overwrites."""
        self._conversation.holding.check_free()
        step = self.session.commit()
        self._follow(step)
        self._tell.committed(step)

    @told
    def next_object(self) -> None:
        """Start an object with a new voxel value."""
        step = self.session.next_object()
        if step is not None:
            self._follow(step)
            self._tell.say(f"Next object: {self.session.value}.")

    @told
    def go_to(self, value: int) -> None:
        """Work on an object again: its prompts come back, and its class."""
        step = self.session.go_to(value)
        if step is not None:
            self._follow(step)
            self._tell.say(f"Working on {spoken(self.session.name_of(value))}.")

    @told
    def delete(self, value: int) -> None:
        """Take an object off the labels with all its prompts; what lay under it comes back."""
        self._conversation.holding.check_free()
        self._done(self.session.delete(value))

    def hide(self, value: int, hidden: bool) -> None:
        """Show a committed object no longer, or again; it is no step, since nothing but what is seen changes."""
        self.session.hide(value, hidden)
        self._tell.hidden()

    @told
    def set_status(self, value: int, status: Status) -> None:
        """Say how far an object is."""
        standing, name = self.session.standing(value), spoken(self.session.name_of(value))
        if status != standing.status:
            self._done(self.session.stand(value, replace(standing, status=status), f"{name} {status}"))

    @told
    def lock(self, value: int, locked: bool) -> None:
        """Let nothing change an object's voxels, or let it again."""
        standing, name = self.session.standing(value), spoken(self.session.name_of(value))
        if locked != standing.locked:
            title = f"{'lock' if locked else 'unlock'} {name}"
            self._done(self.session.stand(value, replace(standing, locked=locked), title))
