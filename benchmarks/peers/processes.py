"""The systems' processes: scripts that end by themselves, and workers that are ended."""

import contextlib
import os
import resource
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.peers.errors import PeersError
from benchmarks.peers.peer import Peer
from benchmarks.peers.servers import Place

SCRIPT_S = 600.0
STOP_S = 30.0
TAIL_CHARS = 800


class Session:
    """One system in one place: runs its script, starts its workers, ends them."""

    def __init__(self, peer: Peer, place: Place, folder: Path, processes: int) -> None:
        self.peer, self.place = peer, place
        self.notes = folder / "notes"
        self.notes.mkdir()
        self._log = folder / "log"
        common = {"PEER_URL": place.url, "PEER_NOTES": str(self.notes), "PEER_PROCESSES": str(processes)}
        self._environment = {**os.environ, **common, **peer.environment(place)}
        self._processes = processes
        self.workers: list[subprocess.Popen[bytes]] = []

    def script(self, *arguments: str) -> str:
        """Runs a command of the script to its end; returns what it printed. Raises PeersError."""
        command = self.peer.command(*arguments)
        try:
            done = subprocess.run(
                command, env=self._environment, capture_output=True, text=True, timeout=SCRIPT_S, check=False
            )
        except subprocess.TimeoutExpired:
            raise PeersError(f"`{' '.join(arguments)}` took over {SCRIPT_S:g} s") from None
        if done.returncode:
            tail = (done.stderr or done.stdout).strip()[-TAIL_CHARS:]
            raise PeersError(f"`{' '.join(arguments)}` failed: {tail}")
        return done.stdout

    def start(self, commands: Sequence[list[str]] | None = None) -> None:
        """Starts the workers, or these of them."""
        with self._log.open("ab") as log:
            for command in commands or self.peer.workers(self._processes):
                self.workers.append(
                    subprocess.Popen(
                        command,
                        env=self._environment,
                        stdin=subprocess.DEVNULL,
                        stdout=log,
                        stderr=log,
                        start_new_session=True,
                        cwd=self._log.parent,
                    )
                )

    def check_alive(self) -> None:
        """Raises PeersError: a worker ended by itself, with the end of what it logged."""
        for worker in self.workers:
            if worker.poll() is not None:
                raise PeersError(f"a worker ended by itself, with status {worker.returncode}: {self.tail()}")

    def tail(self) -> str:
        """Returns the end of what the workers logged."""
        return self._log.read_text(errors="replace").strip()[-TAIL_CHARS:] if self._log.exists() else ""

    def stop(self) -> float:
        """Ends the workers as their documentation says, by SIGTERM, and kills what is left after 30 s.

        Returns the processor seconds of all of them and of their children, from start to end.
        """
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        for worker in self.workers:
            worker.terminate()
        for worker in self.workers:
            with contextlib.suppress(subprocess.TimeoutExpired):
                worker.wait(STOP_S)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(worker.pid, signal.SIGKILL)
            worker.wait()
        self.workers.clear()
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


@contextmanager
def session(peer: Peer, place: Place, processes: int) -> Iterator[Session]:
    """Gives the system with its tables made, and leaves no process of it behind."""
    with tempfile.TemporaryDirectory(prefix="peers-") as folder:
        opened = Session(peer, place, Path(folder), processes)
        try:
            opened.script("prepare")
            yield opened
        finally:
            opened.stop()
