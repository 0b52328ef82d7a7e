"""Where it is measured: the machine, the versions and the server's settings, without what says whose it is."""

import os
import platform
import subprocess
from contextlib import suppress
from importlib import metadata
from pathlib import Path

import currant
from currant.bench.results import Environment
from currant.store import server_queries
from currant.store.connections import Connection

#: Of the server those that matter to speed and durability.
SETTINGS = (
    "fsync", "synchronous_commit", "full_page_writes", "wal_level", "wal_sync_method", "wal_compression", "wal_buffers",
    "commit_delay", "max_wal_size", "checkpoint_timeout", "shared_buffers", "work_mem", "effective_cache_size",
    "huge_pages", "autovacuum", "autovacuum_naptime", "jit", "io_method", "data_checksums", "max_connections",
    "shared_preload_libraries", "track_io_timing", "synchronous_standby_names", "server_encoding",
)  # fmt: skip
#: Those that the figures may depend on.
PACKAGES = (
    "psycopg",
    "psycopg-binary",
    "psycopg-c",
    "psycopg-pool",
    "uvloop",
    "msgspec",
    "structlog",
    "prometheus-client",
)
_GIT_S = 10.0


async def environment(connection: Connection, where: str) -> Environment:
    """Looks once; to be called before the first run, so that the load is that of others.

    Args:
        where: `throwaway`, `same machine` or `another machine`.
    """
    return Environment(
        currant=metadata.version("currant"),
        commit=commit(Path(currant.__file__).parent),
        python=f"{platform.python_implementation()} {platform.python_version()}",
        packages=_versions(),
        os=_system(),
        cpu=_cpu_model(Path("/proc/cpuinfo")),
        cores=cores(),
        memory_bytes=_memory_bytes(Path("/proc/meminfo")),
        load=round(os.getloadavg()[0], 2),
        postgres=connection.info.parameter_status("server_version") or "unknown",
        postgres_where=where,
        postgres_settings=await server_queries.settings(connection, SETTINGS),
    )


def commit(folder: Path) -> str | None:
    """Returns the commit of the checkout in which the folder is, with a + when files differ from it; None without."""

    def git(*arguments: str) -> str:
        # Not the user's configuration: a hook or a monitor of files is not ours to start.
        command = ["git", "-c", "core.fsmonitor=false", "-C", str(folder), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=_GIT_S, check=True)
        return done.stdout.strip()

    with suppress(OSError, subprocess.SubprocessError):
        # An installed package may lie in somebody else's repository, which does not know it.
        if git("ls-files", "--", "__init__.py"):
            return git("rev-parse", "HEAD") + ("+" if git("status", "--porcelain", "--", ".") else "")
    return None


def cores() -> int:
    """Returns how many cores this process may use."""
    allowed = len(os.sched_getaffinity(0))
    # A control group's quota may be less; a part of a core counts as one.
    with suppress(OSError, ValueError):
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        if quota != "max":
            return max(1, min(allowed, -(-int(quota) // int(period))))
    return allowed


def _versions() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        with suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


def _system() -> str:
    kernel = f"{platform.system()} {platform.release()}, {platform.machine()}"
    with suppress(OSError):
        return f"{platform.freedesktop_os_release()['PRETTY_NAME']}, {kernel}"
    return kernel


def _cpu_model(file: Path) -> str:
    """Returns what the kernel calls the processor; of some it knows no name."""
    with suppress(OSError):
        for line in file.read_text().splitlines():
            key, _, value = line.partition(":")
            if key.strip() in ("model name", "Model", "Processor"):
                return value.strip()
    return platform.processor() or platform.machine()


def _memory_bytes(file: Path) -> int:
    with suppress(OSError):
        for line in file.read_text().splitlines():
            if line.startswith("MemTotal:"):
                return int(line.split()[1]) << 10
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
