"""The places in which children stand: how many there are, what each is for, and who stands there. Pure: no I/O.

A place is what people see of a child: its number stays the same, whichever process stands there. For a moment it can
have two: the child at work, and the one that comes to replace it and is given no work before it is ready.
"""

import enum
from collections.abc import Iterator
from dataclasses import dataclass


class Role(enum.StrEnum):
    """What a place is for."""

    WORK = "work"
    #: For executions that have brought down a child before.
    QUARANTINE = "quarantine"


@dataclass
class Place:
    """A place, and by their ids the children there."""

    number: int
    role: Role
    #: Who is given work, or will be as soon as it is ready.
    child: int | None = None
    #: Who is to replace it.
    coming: int | None = None
    #: A child is to be forked here as soon as that is possible.
    wanted: bool = False
    #: No child is forked here before this long has passed: it failed too often. Else it is only waited a little.
    resting: bool = False

    def seat(self, child: int) -> None:
        """A child is asked for: it stands here, or is to replace the one that does."""
        if self.child is None:
            self.child = child
        else:
            assert self.coming is None
            self.coming = child

    @property
    def state(self) -> str:
        """What is said of it while nobody stands there."""
        return "resting" if self.resting else "restarting"


class Places:
    """The table of places, by number, from 0."""

    def __init__(self) -> None:
        self._places: dict[int, Place] = {}

    def open(self, role: Role) -> Place:
        """Makes one more place, of the lowest number that is free."""
        number = next(number for number in range(len(self._places) + 1) if number not in self._places)
        place = self._places[number] = Place(number, role)
        return place

    def close(self, number: int) -> Place:
        """Takes a place away; who stands there is the caller's business."""
        return self._places.pop(number)

    def get(self, number: int) -> Place | None:
        return self._places.get(number)

    def succeed(self, number: int, child: int) -> int | None:
        """A child is ready; returns the one that it replaces, if it was to replace one."""
        place = self._places.get(number)
        if place is None or place.coming != child:
            return None
        before, place.child, place.coming = place.child, child, None
        return before

    def vacate(self, number: int, child: int) -> Place | None:
        """A child is gone; returns the place that it leaves, empty or to its successor, or None when it had none."""
        place = self._places.get(number)
        if place is None or child not in (place.child, place.coming):
            return None
        if place.coming == child:
            place.coming = None
        else:
            # The next one is perhaps on its way.
            place.child, place.coming = place.coming, None
        return place

    def __len__(self) -> int:
        return len(self._places)

    def numbers(self, role: Role) -> list[int]:
        return sorted(number for number, place in self._places.items() if place.role is role)

    def __iter__(self) -> Iterator[Place]:
        return iter(list(self._places.values()))
