"""Starting, sharing and stopping an embedded server."""

import atexit
import contextlib
import fcntl
import os
import shutil
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from types import TracebackType

from currant.errors import EmbeddedError
from currant.store.embedded.accounts import Account, account_for
from currant.store.embedded.folders import answers, prepare_kept, throwaway_folder, url_of
from currant.store.embedded.link import START_S, WatcherLink
from currant.store.embedded.locks import POLL_S, open_lock, try_lock, wait_lock
from currant.store.embedded.programs import programs_for
from currant.store.embedded.watcher import LOCK, LOG, USERS, WATCHER_LOCK, Order

LEFTOVER_S = 10.0


class EmbeddedServer:
    """A running server; `url` is for libpq: superuser, database `postgres`. It stops at exit at the latest."""

    def __init__(self, folder: Path, end: Callable[[], None]) -> None:
        self.folder = folder
        self.log = folder / LOG
        self.url = url_of(folder)
        self._end = end
        self._pid = os.getpid()
        self._stopped = False
        atexit.register(self.stop)

    def stop(self) -> None:
        """Stops the server, or ends this process's use of a shared one; takes 45 s at the very most.

        A shared server that another process started ends up to 0.2 s later, if nobody else uses it.
        Does nothing the second time, or in a child forked from the starter. Raises EmbeddedError if a process of the
        server, left by a killed watcher, does not end.
        """
        if self._stopped or os.getpid() != self._pid:
            return
        self._stopped = True
        atexit.unregister(self.stop)
        self._end()

    def __enter__(self) -> "EmbeddedServer":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def start_throwaway(*, settings: Mapping[str, str] | None = None, programs: Path | None = None) -> EmbeddedServer:
    """A server on a temporary folder, for this process alone; folder and server go when the process ends in any way.

    Args:
        settings: extra settings of Postgres.
        programs: the folder with `initdb` and `postgres` of another installation, which the account can read.

    Raises:
        EmbeddedError: within about 35 s, with the end of Postgres's log.
    """
    account = account_for()
    programs = programs or programs_for(account)
    folder = throwaway_folder(account)
    link = _launch(_order(programs, folder, account, settings, lock=None))
    return EmbeddedServer(folder, partial(_end_throwaway, link, folder))


def start_kept(data_dir: Path, *, settings: Mapping[str, str] | None = None) -> EmbeddedServer:
    """The server of a data directory that stays, made if it is missing; shared by all processes that name it.

    The first process starts the server, with its `settings`; the others find it running, and theirs change nothing. It
    runs until the last of them has stopped or died, whoever started it. A forked child counts as its parent does, until
    the parent calls stop(). If Postgres or its watcher is killed, the next start recovers; those who use it then see
    their connections fail.

    Raises EmbeddedError, within about 65 s, when the folder cannot be used or the server does not start.
    """
    folder = data_dir.expanduser().resolve()
    try:
        account = account_for(folder)
        programs = programs_for(account)
        prepare_kept(folder, account)
        users = open_lock(folder / USERS, account)
    except OSError as error:
        raise EmbeddedError(f"the data directory {folder} cannot be used: {error}") from error
    try:
        link = _join(folder, account, users, _order(programs, folder, account, settings, lock=None))
    except BaseException:
        os.close(users)
        raise
    return EmbeddedServer(folder, partial(_end_kept, link, users))


def _join(folder: Path, account: Account, users: int, order: Order) -> WatcherLink | None:
    """Becomes a user of the folder's server and starts it if need be; None: another process did."""
    deadline = time.monotonic() + START_S
    busy = f"another process has been starting or stopping the server in {folder} for more than {START_S:.0f} s"
    # A watcher that is stopping the server holds this one alone; afterwards none can stop it while we hold it.
    wait_lock(users, fcntl.LOCK_SH, deadline=deadline, busy=busy)
    lock = open_lock(folder / LOCK, account)
    try:
        while not try_lock(lock, fcntl.LOCK_EX):
            if answers(folder) and _is_watched(folder, account):
                return None
            if time.monotonic() >= deadline:
                raise EmbeddedError(busy)
            time.sleep(POLL_S)
        return _launch(order._replace(lock=lock))
    finally:
        os.close(lock)  # the watcher has inherited it, and the lock with it


def _is_watched(folder: Path, account: Account) -> bool:
    """Whether the watcher lives; if not, its Postgres is ending, although it may still answer."""
    lock = open_lock(folder / WATCHER_LOCK, account)
    try:
        return not try_lock(lock, fcntl.LOCK_SH)
    finally:
        os.close(lock)


def _order(
    programs: Path, folder: Path, account: Account, settings: Mapping[str, str] | None, *, lock: int | None
) -> Order:
    return Order(
        starter=os.getpid(),
        programs=str(programs),
        folder=str(folder),
        settings=dict(settings or {}),
        account=(account.uid, account.gid) if account.foreign else None,
        lock=lock,
    )


def _launch(order: Order) -> WatcherLink:
    link = WatcherLink(order)
    try:
        link.wait_ready()
    except BaseException:
        link.release()
        raise
    return link


def _end_throwaway(link: WatcherLink, folder: Path) -> None:
    link.release()
    # Only a killed watcher leaves the folder; the lock is free once its Postgres is gone as well.
    with contextlib.suppress(FileNotFoundError):
        lock = os.open(folder / LOCK, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            busy = f"a process of the embedded Postgres in {folder} does not end"
            wait_lock(lock, fcntl.LOCK_EX, deadline=time.monotonic() + LEFTOVER_S, busy=busy)
            shutil.rmtree(folder, ignore_errors=True)
        finally:
            os.close(lock)


def _end_kept(link: WatcherLink | None, users: int) -> None:
    fcntl.flock(users, fcntl.LOCK_UN)  # not by closing alone: forked children have the open file too
    os.close(users)
    if link is not None:
        link.release()
