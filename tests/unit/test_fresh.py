"""Imports that never take the bytecode of an earlier edit; what an import leaves behind."""

import importlib.util
import os
import py_compile
import socket
import sys
import threading
import time
from importlib.machinery import SourceFileLoader
from pathlib import Path

import pytest

from currant.child import audit, fresh


@pytest.fixture(autouse=True)
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    monkeypatch.setattr(SourceFileLoader, "path_stats", SourceFileLoader.path_stats)
    fresh.install()


def value_of(file: Path) -> int:
    spec = importlib.util.spec_from_file_location("edited", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return int(module.VALUE)


def write(file: Path, value: int, at: float) -> None:
    file.write_text(f"VALUE = {value}\n")
    os.utime(file, (at, at))


def cached(file: Path) -> Path:
    return Path(importlib.util.cache_from_source(str(file)))


def test_of_what_was_edited_a_moment_ago_no_bytecode_is_written(tmp_path: Path) -> None:
    file = tmp_path / "edited.py"
    # A little later than now, for the machine may stall.
    write(file, 1, time.time() + 60)
    assert value_of(file) == 1
    assert not cached(file).exists()


def test_an_edit_within_the_second_of_the_last_bytecode_is_seen(tmp_path: Path) -> None:
    file = tmp_path / "edited.py"
    second = float(int(time.time()) - 100)
    write(file, 1, second + 0.2)
    # As another program would that does not know of this.
    py_compile.compile(str(file))
    os.utime(cached(file), (second + 0.3, second + 0.3))
    write(file, 2, second + 0.6)
    assert value_of(file) == 2


def test_what_has_not_been_edited_is_cached(tmp_path: Path) -> None:
    file = tmp_path / "edited.py"
    write(file, 1, time.time() - 100)
    assert value_of(file) == 1
    assert cached(file).exists()
    assert value_of(file) == 1


def test_threads_and_sockets_are_found_by_name() -> None:
    before = audit.open_sockets()
    found_before = audit.unfit_for_forking(before)
    end = threading.Event()
    thread = threading.Thread(target=end.wait, name="poller")
    thread.start()
    with socket.create_server(("127.0.0.1", 0)) as listening, socket.create_connection(listening.getsockname()) as one:
        port = listening.getsockname()[1]
        found = set(audit.unfit_for_forking(before)) - set(found_before)
        assert {"thread 'poller'", f"socket at 127.0.0.1:{port}", f"socket to 127.0.0.1:{port}"} <= found
        assert one.fileno() >= 0
    end.set()
    thread.join()
