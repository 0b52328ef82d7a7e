"""The watcher: the parent of an embedded Postgres, a process of its own that outlives its starter by a moment.

It changes to the unprivileged account first, then makes the cluster, starts Postgres, and waits. It ends the server
when the starter asks, when the starter's process is gone (a pidfd, so neither its threads nor its forks matter) or when
the pipe to it closes; a kept server only once nobody holds the shared lock on `users` any more. If the watcher is
killed, Postgres gets SIGQUIT from the kernel, its immediate shutdown, which also ends its children.

`server.lock` is held by the watcher and, inherited, by Postgres and all its children: whoever gets that lock knows that
no process of the server is left. A kept folder's `watcher.lock` is the watcher's alone: with that one free, a server
that still answers is about to end.

Run by path under `python -I -S`: it imports the standard library alone, and all of it before it changes the account,
which may not be able to read Python's files.
"""

import contextlib
import ctypes
import fcntl
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from typing import NamedTuple

PORT = 5432
SOCKET = f".s.PGSQL.{PORT}"
SOCKET_LOCK = f"{SOCKET}.lock"
SUPERUSER = "postgres"
DATA, LOG, LOCK, WATCHER_LOCK, USERS = "data", "log", "server.lock", "watcher.lock", "users"
THROWAWAY_PREFIX = "currant-pg-"

START_S = 30.0
POLL_READY_S = 0.005
POLL_USERS_S = 0.2
# Fast, immediate, kill: a throwaway server has nothing worth a checkpoint. The sums stay below the starter's STOP_S.
STOP_KEPT = ((signal.SIGINT, 10.0), (signal.SIGQUIT, 8.0), (signal.SIGKILL, 2.0))
STOP_THROWAWAY = ((signal.SIGQUIT, 8.0), (signal.SIGKILL, 2.0))

LOG_BYTES_MAX = 8 << 20
LOG_TAIL_BYTES = 4096
LEFTOVER_AGE_S = 60.0

STDIN, STDOUT = 0, 1
PR_SET_PDEATHSIG = 1
# Nothing of the caller's: PGDATA, PGPORT or PGOPTIONS would change the server. UTC spares initdb a search.
ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}


class Order(NamedTuple):
    """What the starter asks for; it travels as JSON in the watcher's argument."""

    starter: int  # its pid
    programs: str
    folder: str
    settings: dict[str, str]
    account: tuple[int, int] | None  # uid and gid to change to
    lock: int | None  # a kept folder's lock, inherited; None: a throwaway folder, made and removed here


class StartError(Exception):
    """The text says why."""


class Starter:
    """Whether the process that started us still wants the server, and sleep that ends early when that changes."""

    def __init__(self, pid: int) -> None:
        self.left = False
        self._poll = select.poll()
        self._signs = [STDIN]
        with contextlib.suppress(OSError, AttributeError):  # without pidfds the pipe alone has to do
            self._signs.append(os.pidfd_open(pid))
        for sign in self._signs:
            self._poll.register(sign, select.POLLIN)
        self._child_ended, wake = os.pipe()
        os.set_blocking(wake, False)
        self._poll.register(self._child_ended, select.POLLIN)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, _nothing)
        if os.getppid() != pid:  # it was gone before the pidfd was opened
            self._leave()

    def wait(self, seconds: float | None) -> None:
        """Sleeps until the starter leaves, a child ends or the time is up (None: no limit)."""
        for ready, _ in self._poll.poll(None if seconds is None else seconds * 1000):
            if ready == self._child_ended:
                os.read(self._child_ended, 4096)
            else:
                self._leave()

    def _leave(self) -> None:
        if not self.left:
            self.left = True
            for sign in self._signs:
                self._poll.unregister(sign)


class Watcher:
    def __init__(self, order: Order, starter: Starter) -> None:
        self.order = order
        self.starter = starter
        self.kept = order.lock is not None
        self.data = os.path.join(order.folder, DATA)
        self.lock = -1
        self.users = -1
        self.log = -1
        self.log_start = 0
        self.server: subprocess.Popen[bytes] | None = None
        self.deadline = time.monotonic() + START_S

    def run(self) -> None:
        try:
            self.open_folder()
            if not os.path.exists(self.data):
                self.create_cluster()
            forget_dead_postmaster(self.order.folder)
            self.start()
            report("ready")
            self.hold()
        finally:
            self.end()

    def open_folder(self) -> None:
        folder = self.order.folder
        if self.order.lock is None:
            remove_leftovers(os.path.dirname(folder))
            os.mkdir(folder, 0o700)
            self.lock = os.open(os.path.join(folder, LOCK), os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
            fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        else:
            self.lock = self.order.lock
            os.set_inheritable(self.lock, False)
            self.users = os.open(os.path.join(folder, USERS), os.O_RDWR | os.O_NOFOLLOW)
            own = os.open(os.path.join(folder, WATCHER_LOCK), os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
            fcntl.flock(own, fcntl.LOCK_EX)  # others only try it for a moment
        log = os.path.join(folder, LOG)
        with contextlib.suppress(FileNotFoundError):
            if os.path.getsize(log) > LOG_BYTES_MAX:
                os.replace(log, f"{log}.old")
        self.log = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
        self.log_start = os.fstat(self.log).st_size

    def create_cluster(self) -> None:
        fresh = f"{self.data}.new"
        shutil.rmtree(fresh, ignore_errors=True)  # what a killed process left
        command = [os.path.join(self.order.programs, "initdb"), "-D", fresh, "-U", SUPERUSER, "--auth=trust"]
        command += ["--encoding=UTF8", "--locale=C", "--no-instructions"]
        if not self.kept:
            command.append("--no-sync")  # for initdb only: the server itself syncs
        initdb = self.spawn(command, signal.SIGKILL)
        try:
            while initdb.poll() is None:
                self.check_wanted("initdb")
                self.starter.wait(max(0.0, self.deadline - time.monotonic()))
        finally:
            if initdb.returncode is None:
                os.killpg(initdb.pid, signal.SIGKILL)
                initdb.wait()
        if initdb.returncode != 0:
            raise StartError(f"initdb failed with status {initdb.returncode}:\n{self.log_tail()}")
        os.rename(fresh, self.data)

    def start(self) -> None:
        quoted = self.order.folder.replace('"', '""')
        # The caller's settings come first: the address is not theirs to change.
        settings = {
            **self.order.settings,
            "listen_addresses": "",
            "unix_socket_directories": f'"{quoted}"',
            "port": str(PORT),
        }
        command = [os.path.join(self.order.programs, "postgres"), "-D", self.data]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        self.server = self.spawn(command, signal.SIGQUIT)
        while postmaster_status(self.data) != (self.server.pid, "ready"):
            if self.server.poll() is not None:
                raise StartError(f"postgres ended with status {self.server.returncode}:\n{self.log_tail()}")
            self.check_wanted("postgres")
            self.starter.wait(POLL_READY_S)

    def check_wanted(self, program: str) -> None:
        if time.monotonic() >= self.deadline:
            raise StartError(f"{program} was not ready after {START_S:.0f} s:\n{self.log_tail()}")
        if self.starter.left and not self.in_use():
            raise StartError("the starter left")

    def hold(self) -> None:
        """Returns when the server is to end: nobody uses it any more, or a kept one ended by itself."""
        assert self.server is not None
        told = False
        while True:
            self.starter.wait(POLL_USERS_S if self.starter.left else None)
            ended = self.server.poll() is not None
            if ended and self.kept:
                return  # and free the lock: the next user starts it anew
            if self.starter.left:
                if not self.in_use():
                    return
                if not told:
                    report("shared")
                    told = True

    def in_use(self) -> bool:
        """Whether others use the server. A "no" is final: the lock, now held, keeps new users out until the end."""
        if not self.kept:
            return False
        try:
            fcntl.flock(self.users, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False

    def end(self) -> None:
        if self.server is not None:
            for number, seconds in STOP_KEPT if self.kept else STOP_THROWAWAY:
                if self.server.poll() is not None:
                    break
                self.server.send_signal(number)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self.server.wait(seconds)
        if not self.kept:
            shutil.rmtree(self.order.folder, ignore_errors=True)

    def spawn(self, command: list[str], death_signal: signal.Signals) -> subprocess.Popen[bytes]:
        watcher = os.getpid()
        libc = ctypes.CDLL(None)

        def die_with_watcher() -> None:
            if sys.platform == "linux":
                libc.prctl(PR_SET_PDEATHSIG, int(death_signal))
            if os.getppid() != watcher:  # it was killed before the line above
                os._exit(1)

        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=self.log,
            stderr=self.log,
            env=ENVIRONMENT,
            pass_fds=(self.lock,),
            start_new_session=True,
            preexec_fn=die_with_watcher,  # safe: this process has no threads
        )

    def log_tail(self) -> str:
        with open(os.path.join(self.order.folder, LOG), "rb") as log:
            log.seek(max(self.log_start, os.fstat(log.fileno()).st_size - LOG_TAIL_BYTES))
            lines = log.read().decode(errors="replace").splitlines()
        return "\n".join(lines[-20:])


def postmaster_status(data: str) -> tuple[int, str]:
    """The pid and the state in Postgres's own postmaster.pid; (0, "") when there is none or it is half written."""
    try:
        with open(os.path.join(data, "postmaster.pid"), encoding="utf-8", errors="replace") as file:
            lines = file.read().splitlines()
        return int(lines[0]), lines[7].strip() if len(lines) > 7 else ""
    except (OSError, ValueError, IndexError):
        return 0, ""


def forget_dead_postmaster(folder: str) -> None:
    """Removes the pid files of a killed server, which we know to be gone by its lock.

    Postgres would do so itself, except where the pid now belongs to another process of the account, which happens in
    containers after each restart. A server that was started on the folder by hand is left alone.
    """
    data = os.path.join(folder, DATA)
    pid, _ = postmaster_status(data)
    with contextlib.suppress(OSError):
        if os.readlink(f"/proc/{pid}/cwd") == data:
            return
    for path in (os.path.join(data, "postmaster.pid"), os.path.join(folder, SOCKET_LOCK)):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)


def remove_leftovers(base: str) -> None:
    """Removes throwaway folders of this account whose server is gone: of a watcher killed together with its starter."""
    with os.scandir(base) as entries:
        old = [entry.path for entry in entries if entry.name.startswith(THROWAWAY_PREFIX) and _is_old(entry)]
    for folder in old:
        with contextlib.suppress(OSError):
            lock = os.open(os.path.join(folder, LOCK), os.O_RDWR | os.O_NOFOLLOW)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(lock)


def _is_old(entry: os.DirEntry[str]) -> bool:
    try:
        info = entry.stat(follow_symlinks=False)
    except FileNotFoundError:
        return False
    return info.st_uid == os.geteuid() and time.time() - info.st_mtime > LEFTOVER_AGE_S


def change_account(account: tuple[int, int] | None) -> None:
    if account is not None:
        uid, gid = account
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)


def report(event: str, reason: str = "") -> None:
    with contextlib.suppress(OSError):  # the starter may be gone
        os.write(STDOUT, json.dumps({"event": event, "reason": reason}).encode() + b"\n")


def _nothing(number: int, frame: object) -> None:
    """A handler rather than SIG_IGN, which Postgres would inherit."""


def main() -> None:
    # A terminal or a service manager that signals the whole group must not take the database from a draining starter.
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, _nothing)
    os.umask(0o077)
    order = Order(**json.loads(sys.argv[1]))
    try:
        change_account(order.account)
        Watcher(order, Starter(order.starter)).run()
    except StartError as failure:
        report("failed", str(failure))
    except Exception as error:
        report("failed", f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    main()
