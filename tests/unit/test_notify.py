"""What a service manager is told, over a real socket, and what of its environment is meant for the supervisor."""

import asyncio
import os
import secrets
import time
from collections.abc import Iterator

import pytest
import structlog
from structlog.testing import capture_logs

from currant.errors import ConfigurationError
from currant.settings import ServiceManager, child_environment, take_service_manager
from currant.supervisor import notify
from currant.supervisor.events import Event
from currant.supervisor.herald import Herald
from currant.supervisor.lifecycle import Lifecycle, Phase
from currant.supervisor.notify import Notifier
from tests.support import HANGS_S, comes_true, in_loop
from tests.systemd import Manager


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest) -> Iterator[Manager]:
    with Manager(abstract=request.param == "abstract") as manager:
        yield manager


# The protocol


def test_a_message_arrives_as_one_datagram_of_assignments(manager: Manager) -> None:
    notifier = Notifier(manager.address)
    notifier.send(**notify.ready(), STATUS="all is well")
    assert manager.next() == {"READY": "1", "MAINPID": str(os.getpid()), "STATUS": "all is well"}
    before_us = time.monotonic_ns() // 1000
    notifier.send(**notify.reloading())
    reloading = manager.next()
    assert reloading["RELOADING"] == "1"
    assert before_us <= int(reloading["MONOTONIC_USEC"]) <= time.monotonic_ns() // 1000
    notifier.send(**notify.extend(1.5))
    assert manager.next() == {"EXTEND_TIMEOUT_USEC": "1500000"}
    notifier.close()


def test_a_value_is_one_line_and_never_longer_than_systemd_reads() -> None:
    text = "é\udcff one\nREADY=1\n" + "x" * 10_000
    message = notify.encode({"STATUS": text, "WATCHDOG": 1})
    assert message.startswith("STATUS=é? one READY=1 xx".encode())
    assert message.endswith(b"\nWATCHDOG=1")
    assert message.count(b"\n") == 1
    assert len(message) < notify.MESSAGE_BYTES_MAX


def test_nobody_at_the_other_end_stops_nothing() -> None:
    notifier = Notifier(f"@currant-nobody-{secrets.token_hex(8)}")
    for _ in range(3):
        notifier.send(READY=1)
    notifier.close()


def test_what_there_was_no_room_for_is_sent_before_the_next_message(manager: Manager) -> None:
    notifier = Notifier(manager.address)
    manager.fill()
    notifier.send(READY=1)
    # It is made room for.
    assert all("READY" not in message for message in manager.drain())
    notifier.send()
    assert manager.next() == {"READY": "1"}
    notifier.send(STOPPING=1)
    assert manager.next() == {"STOPPING": "1"}
    notifier.close()


# What the environment says


def test_the_service_manager_is_taken_out_of_the_environment() -> None:
    environ = {"NOTIFY_SOCKET": "/run/notify", "WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid()), "A": "b"}
    assert take_service_manager(environ) == ServiceManager("/run/notify", 30.0)
    assert child_environment(environ).keys() == {"A", "PYTHONUNBUFFERED"}
    assert take_service_manager(environ) is None


@pytest.mark.parametrize(
    "environ",
    [{}, {"WATCHDOG_USEC": "0"}, {"NOTIFY_SOCKET": "", "WATCHDOG_USEC": "nonsense"}],
)
def test_without_a_socket_there_is_no_service_manager(environ: dict[str, str]) -> None:
    assert take_service_manager(environ) is None


@pytest.mark.parametrize(
    "environ",
    [{}, {"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, {"WATCHDOG_USEC": "", "WATCHDOG_PID": ""}],
)
def test_a_watchdog_of_another_process_is_none(environ: dict[str, str]) -> None:
    assert take_service_manager({"NOTIFY_SOCKET": "@x", **environ}) == ServiceManager("@x", None)


@pytest.mark.parametrize(
    ("environ", "rule"),
    [
        ({"NOTIFY_SOCKET": "run/notify"}, "NOTIFY_SOCKET must be a path from the root, or @ and a name"),
        ({"NOTIFY_SOCKET": "vsock:2:1"}, "NOTIFY_SOCKET must be a path from the root, or @ and a name"),
        ({"NOTIFY_SOCKET": "@"}, "NOTIFY_SOCKET must be"),
        ({"NOTIFY_SOCKET": "/" + "x" * 107}, "NOTIFY_SOCKET must be"),
        (
            {"NOTIFY_SOCKET": "@x", "WATCHDOG_USEC": "0"},
            "WATCHDOG_USEC must be a number of microseconds greater than 0",
        ),
        ({"NOTIFY_SOCKET": "@x", "WATCHDOG_USEC": "-1"}, "WATCHDOG_USEC must be"),
        ({"NOTIFY_SOCKET": "@x", "WATCHDOG_USEC": "٣"}, "WATCHDOG_USEC must be"),
    ],
)
def test_what_cannot_be_meant_is_refused(environ: dict[str, str], rule: str) -> None:
    with pytest.raises(ConfigurationError, match=rule):
        take_service_manager(environ)


# What is told when


class Told:
    """A herald of a lifecycle, and the service manager that it tells."""

    def __init__(self, manager: Manager, *, watchdog_s: float | None = None) -> None:
        self.manager = manager
        self.headline, self.hung = "figures", ""
        self.herald = Herald(
            Notifier(manager.address),
            watchdog_s=watchdog_s,
            headline=lambda: self.headline,
            hung=lambda: self.hung or None,
            log=structlog.get_logger(),
        )
        self.life = Lifecycle(changed=self.herald.announce)

    def names(self) -> set[str]:
        return set(self.manager.next())


def test_each_phase_is_told_once(manager: Manager) -> None:
    told = Told(manager)
    told.life.started()
    assert told.manager.next() == {"READY": "1", "MAINPID": str(os.getpid()), "STATUS": "figures"}
    told.life.ask_reload()
    assert told.names() == {"RELOADING", "MONOTONIC_USEC"}
    # One that failed is over as well.
    told.life.reload_over("the module does not import")
    assert told.names() == {"READY", "MAINPID"}
    told.headline = "degraded"
    told.life.degrade("children", "none can be forked")
    assert told.manager.next() == {"STATUS": "degraded"}
    told.life.ask_drain("SIGTERM")
    assert told.names() == {"STOPPING"}
    told.life.hurry()
    told.life.ask_quit("SIGQUIT")
    told.life.stopped()
    assert manager.drain() == []
    told.herald.close()


def test_a_node_that_ends_before_it_was_ready_is_never_ready(manager: Manager) -> None:
    told = Told(manager)
    told.life.ask_drain("SIGTERM")
    assert told.manager.next() == {"STOPPING": "1", "STATUS": "figures"}
    told.life.stopped()
    assert manager.drain() == []
    told.herald.close()


@in_loop
async def test_the_watchdog_is_told_until_the_database_work_hangs_and_again_after_it() -> None:
    with Manager(abstract=True) as manager:
        told = Told(manager, watchdog_s=0.02)
        running = asyncio.create_task(told.herald.run())
        with capture_logs() as logs:
            await comes_true(lambda: "EXTEND_TIMEOUT_USEC" in manager.take())
            told.life.started()
            await comes_true(lambda: "READY" in manager.take())
            await comes_true(lambda: manager.take() == {"WATCHDOG": "1"})
            told.hung = "currantd:complete"
            await comes_true(lambda: logs)
            manager.drain()
            told.headline = "what else there is to tell is told"
            await comes_true(lambda: manager.take() == {"STATUS": told.headline})
            told.hung = ""
            await comes_true(lambda: manager.take() == {"WATCHDOG": "1"})
            told.life.ask_drain("SIGTERM")
            await comes_true(lambda: manager.take().keys() == {"WATCHDOG", "EXTEND_TIMEOUT_USEC"})
        running.cancel()
        told.herald.close()
    assert logs == [{"event": Event.HUNG, "part": "currantd:complete", "log_level": "error"}]


@in_loop
async def test_one_late_look_is_no_hang() -> None:
    with Manager(abstract=True) as manager:
        looks = iter(["currantd:claim", None, "currantd:claim", None])
        herald = Herald(
            Notifier(manager.address),
            watchdog_s=0.01,
            headline=lambda: "figures",
            hung=lambda: next(looks, None),
            log=structlog.get_logger(),
        )
        running = asyncio.create_task(herald.run())
        with capture_logs() as logs:
            alive = 0
            async with asyncio.timeout(HANGS_S):
                while alive < 5:
                    alive += "WATCHDOG" in manager.take()
                    await asyncio.sleep(0.001)
        running.cancel()
        herald.close()
    assert logs == []


@in_loop
async def test_without_a_service_manager_nothing_is_asked_or_told() -> None:
    def never() -> str:
        raise AssertionError

    herald = Herald(None, watchdog_s=None, headline=never, hung=never, log=structlog.get_logger())
    herald.announce(Phase.STARTING, Phase.RUNNING)
    await herald.run()
    herald.close()
