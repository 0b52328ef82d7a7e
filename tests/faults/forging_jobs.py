"""A module that, while the fork server imports it, tells the supervisor of a child that there is not."""

from lies import frame  # type: ignore[import-not-found]
from lying_jobs import supervisor  # type: ignore[import-not-found]

from currant.protocol.control import Forked

with supervisor() as sock:
    sock.sendall(frame(Forked(1, 1)))
