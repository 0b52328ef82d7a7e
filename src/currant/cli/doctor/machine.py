"""Checks of this machine: the runtime directory, the limits, the memory, and whether a `currantd` runs here."""

import os
import resource
from pathlib import Path
from typing import NamedTuple

from currant.cli.descriptors import descriptors_allowed
from currant.cli.doctor.check import Check, Checks, Part
from currant.cli.output import size
from currant.errors import ConfigurationError, CurrantError
from currant.settings import Settings, environment_name
from currant.supervisor.asking import ask
from currant.supervisor.instance import SOCKET_NAME, check_private
from currant.supervisor.memory import counters
from currant.supervisor.sizing import descriptors_needed

_of = Checks(Part.MACHINE)
_AVAILABLE_MIN = 0.1


class Memory(NamedTuple):
    """In bytes. `most`: what there is, or what this process's control group may take, if that is less."""

    most: int
    available: int


def check_machine(settings: Settings) -> list[Check]:
    """Checks what `currantd` would find if it were started here, by this user."""
    return [
        _runtime_dir(settings.runtime_dir),
        _node(settings.runtime_dir),
        _descriptors(settings.procs),
        *_memory(settings, memory()),
    ]


def _runtime_dir(folder: Path) -> Check:
    name = "runtime directory"
    there = next(each for each in (folder, *folder.absolute().parents) if each.exists())
    try:
        if folder.exists():
            check_private(folder)
            return _of.ok(name, f"{folder} is private")
    except ConfigurationError as error:
        found, _, advice = str(error).partition(": ")
        return _of.failed(name, found, advice)
    except OSError as error:
        return _of.failed(name, f"{folder} cannot be used: {error.strerror}", "name another with --runtime-dir")
    if os.access(there, os.W_OK | os.X_OK):
        return _of.ok(name, f"{folder} is not there yet: currantd makes it")
    return _of.failed(
        name,
        f"{folder} is not there, and this user may make nothing in {there}",
        f"make it, owned by the user of currantd and with mode 0700, or set {environment_name('runtime_dir')}",
    )


def _node(folder: Path) -> Check:
    name = "currantd"
    if not (folder / SOCKET_NAME).exists():
        return _of.ok(name, f"none runs in {folder}")
    try:
        reply = ask(folder / SOCKET_NAME, waiting=False)
    except CurrantError as error:
        return _of.warning(name, str(error), f"look at its log; a socket left by a killed one in {folder} does no harm")
    told = f"{reply.node} is {reply.phase}, pid {reply.pid}"
    troubles = [f"{part}: {reason}" for part, reason in {**reply.degraded, **reply.connections_lost}.items()]
    troubles += [] if reply.refused is None else [reply.refused]
    troubles += [f"child {each.child} is stalled" for each in reply.children if each.stalled_s is not None]
    if troubles:
        return _of.warning(name, f"{told}; {'; '.join(troubles)}", "look at `currantctl status` and at its log")
    return _of.ok(name, told)


def _descriptors(procs: int) -> Check:
    name, allowed, needed = "open files", descriptors_allowed(), descriptors_needed(procs)
    told = f"{allowed:,} allowed, {needed:,} needed for {procs} children"
    if allowed < needed:
        return _of.failed(name, told, "raise the hard limit: ulimit -Hn, or LimitNOFILE= in systemd")
    processes, _ = resource.getrlimit(resource.RLIMIT_NPROC)
    if processes != resource.RLIM_INFINITY and processes < 4 * procs + 64:
        return _of.warning(
            name, f"{told}; but only {processes:,} processes", "raise ulimit -u, or TasksMax= in systemd"
        )
    return _of.ok(name, told)


def _memory(settings: Settings, found: Memory | None) -> list[Check]:
    if found is None:
        return []
    told = f"{size(found.available)} of {size(found.most)} are available"
    limit = settings.max_memory_per_child
    if limit is not None and limit * settings.procs > found.most:
        return [
            _of.warning(
                "memory",
                f"{settings.procs} children may take {size(limit)} each, and there are {size(found.most)}",
                f"make {environment_name('max_memory_per_child')} or {environment_name('procs')} smaller",
            )
        ]
    if found.available < _AVAILABLE_MIN * found.most:
        return [_of.warning("memory", told, "see what takes it (ps aux --sort -rss), or start fewer children")]
    return [_of.ok("memory", told)]


def memory(proc: Path = Path("/proc")) -> Memory | None:
    """Returns the memory that processes here may have; None where the system does not say."""
    try:
        lines = (proc / "meminfo").read_text().splitlines()
        kib = {name: int(rest.split()[0]) for name, _, rest in (line.partition(":") for line in lines) if rest.split()}
        found = Memory(kib["MemTotal"] << 10, kib["MemAvailable"] << 10)
    except (OSError, KeyError, ValueError):
        return None
    for file in counters(proc / "self"):
        group = _group(file.parent)
        if group is not None and group.most < found.most:
            return Memory(group.most, min(group.available, found.available))
    return found


def _group(folder: Path) -> Memory | None:
    """Returns what a control group, of version 2, may have; None: as much as it likes."""
    try:
        most = int((folder / "memory.max").read_text())
        return Memory(most, max(0, most - int((folder / "memory.current").read_text())))
    except (OSError, ValueError):
        return None
