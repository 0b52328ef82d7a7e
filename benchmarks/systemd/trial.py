"""Runs the units of deploy/systemd under a real systemd, as process 1 of namespaces of its own.

`python -m benchmarks.systemd.trial`, as root, where systemd 252 or later, unshare and a cgroup2 are. It
takes two minutes, prints what came of each step, and leaves nothing behind.
"""

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from psycopg import conninfo

from currant.store.embedded import start_throwaway

HERE = Path(__file__).parent
REPOSITORY = HERE.parents[1]
UNITS = REPOSITORY / "deploy" / "systemd"
LASTS_S = 300.0
#: What would take too long with the units' own numbers.
DROP_IN = """
[Service]
StandardOutput=append:/run/out/currantd.log
StandardError=append:/run/out/currantd.log
Environment=LD_LIBRARY_PATH=/srv/currant/python/lib
WatchdogSec=6s
TimeoutAbortSec=3s
TimeoutStopSec=3s
RestartSec=1s
"""
DRIVER = """
[Unit]
DefaultDependencies=no

[Service]
Type=oneshot
ExecStart=/bin/bash /run/out/driver.sh
StandardOutput=append:/run/out/report
StandardError=append:/run/out/report
TimeoutStartSec=infinity
"""
TARGET = """
[Unit]
DefaultDependencies=no
AllowIsolate=yes
Wants=driver.service
"""


def write(file: Path, text: str, mode: int = 0o644) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    file.chmod(mode)


def lay_out(root: Path, database_url: str) -> None:
    """Makes the files of a machine on which Currant is installed as docs/systemd.md says."""
    units = root / "etc/systemd/system"
    for unit in ("currantd.service", "currantd@.service"):
        write(units / unit, (UNITS / unit).read_text())
        write(units / f"{unit}.d/trial.conf", DROP_IN)
    write(units / "driver.service", DRIVER)
    write(units / "trial.target", TARGET)
    write(root / "usr/lib/sysusers.d/currant.conf", (UNITS / "currant.sysusers").read_text())
    write(root / "usr/lib/tmpfiles.d/currant.conf", (UNITS / "currant.tmpfiles").read_text())
    settings = (f"DATABASE_URL={database_url}", "MODULES=app.jobs", "PROCS=2")
    write(root / "etc/currant/currantd.env", "".join(f"CURRANT_{line}\n" for line in settings))
    write(root / "srv/currant/releases/1/app/jobs.py", (HERE / "jobs.py").read_text())
    (root / "srv/currant/app").symlink_to("releases/1")

    venv = root / "srv/currant/venv"
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    write(venv / "pyvenv.cfg", "home = /srv/currant/python/bin\n")
    write(venv / "lib" / version / "site-packages/trial.pth", "/srv/currant/sources\n/srv/currant/packages\n")
    (venv / "bin").mkdir()
    (venv / "bin/python").symlink_to(f"/srv/currant/python/bin/{version}")
    for program, module in (("currantd", "currantd"), ("currantctl", "currantctl"), ("currant", "main")):
        text = f"#!/srv/currant/venv/bin/python\nfrom currant.cli.{module} import main\n\nmain()\n"
        write(venv / "bin" / program, text, 0o755)


def cgroup2() -> Path:
    """Returns where the unified control groups are mounted."""
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, place, kind, *_ = line.split()
        if kind == "cgroup2":
            return Path(place)
    sys.exit("no cgroup2 is mounted")


def run(folder: Path, server: Path, database_url: str) -> str:
    """Returns the report, as far as the trial has come."""
    files, out = folder / "files", folder / "out"
    out.mkdir()
    lay_out(files, database_url)
    shutil.copy(HERE / "driver.sh", out)
    group = cgroup2() / f"currant-trial-{os.getpid()}"
    group.mkdir()
    environment = {
        **os.environ,
        "FILES": str(files), "OUT": str(out), "SERVER": str(server), "PREFIX": sys.base_prefix,
        "SOURCES": str(REPOSITORY / "src"), "PACKAGES": sysconfig.get_path("purelib"),
    }  # fmt: skip
    command = f'echo $$ > {group}/cgroup.procs && exec unshare -Cmpuin --fork --kill-child=KILL bash "{HERE}/boot.sh"'
    with (folder / "boot.log").open("w") as log:
        booted = subprocess.Popen(["bash", "-c", command], env=environment, stdout=log, stderr=log)  # noqa: S607
    try:
        until = time.monotonic() + LASTS_S
        while not (out / "done").exists() and booted.poll() is None and time.monotonic() < until:
            time.sleep(0.5)
    finally:
        # The namespaces' process 1 goes with it, and everything with that.
        booted.kill()
        booted.wait()
        time.sleep(1.0)
        for each, _, _ in os.walk(group, topdown=False):
            with suppress(OSError):
                os.rmdir(each)
    if not (out / "done").exists():
        print((folder / "boot.log").read_text())
    return (out / "report").read_text() if (out / "report").exists() else ""


def main() -> None:
    if os.geteuid() != 0:
        sys.exit("only root can: it mounts, and makes namespaces")
    with start_throwaway() as server, tempfile.TemporaryDirectory(prefix="currant-trial-") as folder:
        parts = conninfo.conninfo_to_dict(server.url)
        sockets = Path(str(parts["host"]))
        # For the user of the units.
        sockets.chmod(0o755)
        report = run(Path(folder), sockets, f"postgresql://{parts['user']}@/{parts['dbname']}?host=/run/postgres")
        print(report, end="")
    sys.exit(0 if report.endswith("\n0 failed\n") else 1)


if __name__ == "__main__":
    main()
