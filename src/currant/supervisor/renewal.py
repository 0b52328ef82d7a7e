"""New children in place of those of older generations, each of which stays until its successor is ready."""

from collections.abc import Callable

from currant.supervisor.child import Child, Restart, State
from currant.supervisor.forks import Forks
from currant.supervisor.generations import Generation, Generations
from currant.supervisor.places import Place, Places, Role
from currant.supervisor.respawn import Respawn

OLD_CODE = "reload"


class Renewal:
    """What a reload does with the places."""

    def __init__(
        self,
        places: Places,
        generations: Generations,
        forks: Forks,
        respawn: Respawn,
        *,
        child: Callable[[int], Child],
        retire: Callable[[int, str, Restart], None],
    ) -> None:
        """
        Args:
            child: returns the child of this id.
            retire: replaces a ready child, for this reason, when its successor is ready.
        """
        self._places, self._generations, self._forks, self._respawn = places, generations, forks, respawn
        self._child, self._retire = child, retire

    def try_out(self, generation: Generation) -> Child | None:
        """Asks a generation that does not fork yet for a child: in an empty place, or in that of a ready one.

        Returns None when there is no place for it at the moment, or the system refuses.
        """
        if generation.ended:
            return None
        for place in self._places:
            if place.role is Role.WORK and place.coming is None and self._has_room(place):
                return self._forks.ask(place, generation, on_trial=True)
        return None

    def renew(self, number: int) -> None:
        """Replaces the child in this place, if it is ready and of an older generation."""
        place = self._places.get(number)
        if place is not None and place.child is not None:
            self.retire_if_old(self._child(place.child))

    def renew_all(self) -> None:
        """Replaces all ready children of older generations, and fills the empty places without a wait or a rest."""
        for place in self._places:
            self.renew(place.number)
            if place.child is None:
                self._respawn.forget(place.number)
                self._forks.want(place)

    def retire_if_old(self, child: Child) -> None:
        """Replaces this child, if it is ready and of an older generation."""
        current = self._generations.current
        if current is not None and child.generation.number < current.number:
            self._retire(child.id, OLD_CODE, Restart.RELOAD)

    def is_renewed(self, number: int) -> bool:
        """Whether no child of an older generation stands in the place."""
        place, current = self._places.get(number), self._generations.current
        if place is None or place.child is None or current is None:
            return True
        return self._child(place.child).generation.number >= current.number

    def _has_room(self, place: Place) -> bool:
        return place.child is None or self._child(place.child).state is State.READY
