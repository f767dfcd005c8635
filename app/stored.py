"""Steps whose pictures may be dropped from memory once they lie on the disk, and are read back when they are used."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from pipeline.history import History, Step
from pipeline.records import EditResult, Photo, Segmentation


@dataclass(eq=False)
class Content:
    """The heavy part of a step."""

    photo: Photo | None = None
    segmentation: Segmentation | None = None
    edit: EditResult | None = None


class StoredStep(Step):
    """A step that can let go of its pictures; `photo`, `segmentation` and `edit` are then read back when asked for.

    Attributes:
        packed: where the heavy part is saved, and whether it is `work`; None while it is not saved.
        read: reads the heavy part back.
    """

    packed: Mapping[str, Any] | None = None
    read: Callable[[], Content] | None = None

    @classmethod
    def of(cls, step: Step) -> StoredStep:
        """The same step, able to let go."""
        if isinstance(step, cls):
            return step
        return cls(**{f.name: getattr(step, f.name) for f in fields(Step)})

    @classmethod
    def cold(cls, packed: Mapping[str, Any], read: Callable[[], Content], **plain) -> StoredStep:
        """A saved step of which nothing heavy is in memory.

        Args:
            packed, read: see the class.
            plain: the step's other attributes.
        """
        made = object.__new__(cls)
        for name, value in plain.items():
            object.__setattr__(made, name, value)
        made.saved(packed, read)
        object.__setattr__(made, "_content", None)
        return made

    def saved(self, packed: Mapping[str, Any], read: Callable[[], Content]) -> None:
        """Note where the heavy part lies; from now on it may be dropped."""
        object.__setattr__(self, "read", read)
        object.__setattr__(self, "packed", packed)

    @property
    def in_memory(self) -> bool:
        """Whether this step itself keeps its pictures in memory."""
        return self.__dict__.get("_content") is not None

    def drop(self) -> bool:
        """Let go of the pictures where they are saved; whether there was anything to let go of."""
        if self.packed is None or not self.in_memory:
            return False
        object.__setattr__(self, "_content", None)
        return True

    def hold(self) -> None:
        """Keep the pictures in memory, read back where they were dropped."""
        object.__setattr__(self, "_content", self._heavy())

    def _heavy(self) -> Content:
        content = self.__dict__.get("_content")
        if content is None:  # what was read back is held by its folder for a while, and by whoever uses it
            content = self.__dict__.get("_seen", lambda: None)()
        if content is None:
            content = self.read()
            object.__setattr__(self, "_seen", weakref.ref(content))
        return content

    def _set(self, name: str, value) -> None:
        content = self.__dict__.get("_content")
        if content is None:
            content = Content()
            object.__setattr__(self, "_content", content)
        setattr(content, name, value)

    photo = property(lambda self: self._heavy().photo, lambda self, value: self._set("photo", value))
    segmentation = property(
        lambda self: self._heavy().segmentation, lambda self, value: self._set("segmentation", value)
    )
    edit = property(lambda self: self._heavy().edit, lambda self, value: self._set("edit", value))

    @property
    def is_work(self) -> bool:
        """Whether a person changed pixels or made masks by hand in it; reads nothing back."""
        if self.packed is not None:
            return bool(self.packed["work"])
        return self.edit is not None or any(r.class_index < 0 for r in self.regions)

    def after(self, parent: int | None) -> StoredStep:
        """The same step after another one; reads nothing back."""
        made = object.__new__(type(self))
        made.__dict__.update(self.__dict__)
        object.__setattr__(made, "parent", parent)
        return made

    def holds(self) -> dict[int, int]:
        """As of `Step`; nothing where the pictures were dropped."""
        return super().holds() if self.in_memory else {}


def stored(history: History) -> History:
    """The history with steps that can let go."""
    return History(tuple(map(StoredStep.of, history.steps)), history.at, history.ahead)
