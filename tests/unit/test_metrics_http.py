"""The HTTP server of a node, over real sockets: what it answers, and what it does not put up with."""

import asyncio
import gzip
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus

import pytest

from currant.cli.log import make_log
from currant.errors import ConfigurationError
from currant.settings import Address, load
from currant.supervisor.metrics import http
from currant.supervisor.metrics.endpoint import Endpoint
from currant.supervisor.metrics.http import BadRequest, HttpServer, Request, Response, accepts_gzip, parse
from currant.supervisor.metrics.listening import address_of, listen
from tests.support import HANGS_S, comes_true, in_loop
from tests.unit.test_metrics import Everything


@asynccontextmanager
async def endpoint(reason: str | None = None) -> AsyncIterator[Address]:
    """A node's, which is not ready for this reason; gives its address."""
    listening = listen(Address("127.0.0.1", 0))

    async def refresh() -> None:
        pass

    served = Endpoint(listening, Everything(), refresh=refresh, why_not_ready=lambda: reason, log=make_log("error"))
    await served.start()
    yield address_of(listening)
    served.stop()


@asynccontextmanager
async def server() -> AsyncIterator[Address]:
    """One that answers anything with the path."""
    listening = listen(Address("127.0.0.1", 0))

    async def answer(request: Request) -> Response:
        return Response.text(HTTPStatus.OK, request.path)

    served = HttpServer(listening, answer)
    await served.start()
    yield address_of(listening)
    served.stop()


async def exchange(address: Address, sent: bytes, *, ends: bool = False) -> bytes:
    """Sends this, and returns all that is answered."""
    reader, writer = await asyncio.open_connection(*address)
    writer.write(sent)
    if ends:
        writer.write_eof()
    async with asyncio.timeout(HANGS_S):
        answer = await reader.read()
    writer.close()
    return answer


def status_of(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


async def get(address: Address, path: str, *headers: str, method: str = "GET") -> tuple[int, dict[str, str], bytes]:
    lines = [f"{method} {path} HTTP/1.1", "Host: here", *headers, "", ""]
    head, _, body = (await exchange(address, "\r\n".join(lines).encode())).partition(b"\r\n\r\n")
    first, *rest = head.decode().split("\r\n")
    found = dict(each.split(": ", 1) for each in rest)
    return int(first.split()[1]), found, body


@in_loop
async def test_the_metrics_come_as_text_or_as_openmetrics_and_gzipped() -> None:
    async with endpoint() as address:
        status, headers, text = await get(address, "/metrics")
        assert status == 200
        assert headers["Content-Type"].startswith("text/plain; version=")
        assert int(headers["Content-Length"]) == len(text)
        assert b"\ncurrant_suspects 1\n" in text
        _, headers, zipped = await get(address, "/metrics?name=any", "accept-ENCODING: deflate, gzip;q=0.5")
        assert headers["Content-Encoding"] == "gzip"
        assert b"\ncurrant_suspects 1\n" in gzip.decompress(zipped)
        _, headers, opened = await get(address, "/metrics", "Accept: application/openmetrics-text;version=1.0.0,*/*")
        assert headers["Content-Type"].startswith("application/openmetrics-text; version=1.0.0")
        assert opened.endswith(b"# EOF\n")
        assert opened.count(b"# EOF\n") == 1


@in_loop
async def test_a_head_has_the_headers_of_a_get_and_no_body() -> None:
    async with endpoint() as address:
        _, headers, body = await get(address, "/healthz")
        assert body == b"live\n"
        status, same, nothing = await get(address, "/healthz", method="HEAD")
        assert (status, same, nothing) == (200, headers, b"")


@in_loop
async def test_a_node_is_ready_or_says_why_not() -> None:
    async with endpoint() as address:
        assert (await get(address, "/readyz"))[::2] == (200, b"ready\n")
    async with endpoint("no child is ready") as address:
        assert (await get(address, "/readyz"))[::2] == (503, b"not ready: no child is ready\n")
        assert (await get(address, "/healthz"))[0] == 200


@in_loop
async def test_what_is_not_there_is_said_to_be_not_there() -> None:
    async with endpoint() as address:
        status, _, body = await get(address, "/")
        assert status == 404
        assert b"/metrics" in body


@in_loop
@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET / HTTP/1.0\r\n\r\n", 200),
        (b"GET http://here:1/x?y HTTP/1.1\r\nHost: here\r\n\r\n", 200),
        (b"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", 405),
        (b"GET / HTTP/2.0\r\n\r\n", 505),
        (b"GET /\r\n\r\n", 400),
        (b"GET  / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nno header\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nA : b\r\n\r\n", 400),
        (b"GET http://[ HTTP/1.1\r\n\r\n", 400),
        (b"\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\xff\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nA: " + b"x" * (20 << 10) + b"\r\n\r\n", 431),
        (b"x" * (200 << 10), 431),
    ],
)
async def test_whatever_is_sent_is_answered(sent: bytes, status: int) -> None:
    async with server() as address:
        try:
            answer = await exchange(address, sent)
        except ConnectionError:
            # It was cut off while it went on sending.
            assert len(sent) > http.LINGER_BYTES_MAX
            return
        assert status_of(answer) == status
        assert b"Connection: close" in answer


@in_loop
async def test_who_sends_nothing_or_goes_is_no_trouble(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "READ_S", 0.05)
    async with server() as address:
        assert status_of(await exchange(address, b"GET / HT")) == 408
        monkeypatch.setattr(http, "READ_S", HANGS_S)
        assert await exchange(address, b"GET / HT", ends=True) == b""
        for _ in range(2 * http.CLIENTS_MAX):
            _, writer = await asyncio.open_connection(*address)
            writer.transport.abort()
        assert status_of(await exchange(address, b"GET / HTTP/1.1\r\n\r\n")) == 200


@in_loop
async def test_there_are_so_many_clients_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "READ_S", HANGS_S)
    async with server() as address:
        writers = []
        for _ in range(http.CLIENTS_MAX):
            reader, writer = await asyncio.open_connection(*address)
            writers.append((reader, writer))
        while status_of(answer := await exchange(address, b"GET / HTTP/1.1\r\n\r\n")) != 503:
            assert status_of(answer) == 200, "it has not seen all of them yet"
        for reader, writer in writers:
            writer.write(b"GET / HTTP/1.1\r\n\r\n")
            assert status_of(await reader.read()) == 200
            writer.close()
        while status_of(await exchange(address, b"GET / HTTP/1.1\r\n\r\n")) != 200:
            pass


@in_loop
async def test_who_does_not_take_the_answer_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "WRITE_S", 0.05)
    listening = listen(Address("127.0.0.1", 0))

    asked = asyncio.Event()

    async def answer(request: Request) -> Response:
        asked.set()
        return Response(HTTPStatus.OK, b"x" * (64 << 20))

    served = HttpServer(listening, answer)
    await served.start()
    with socket.create_connection(address_of(listening)) as client:
        client.sendall(b"GET / HTTP/1.1\r\n\r\n")
        await asked.wait()
        await comes_true(lambda: not served.clients)
    served.stop()


@in_loop
async def test_a_mistake_of_ours_is_told_to_both_sides() -> None:
    listening = listen(Address("127.0.0.1", 0))
    told: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context["exception"]))

    async def answer(request: Request) -> Response:
        raise KeyError(request.path)

    served = HttpServer(listening, answer)
    await served.start()
    assert status_of(await exchange(address_of(listening), b"GET /x HTTP/1.1\r\n\r\n")) == 500
    served.stop()
    assert [repr(each) for each in told] == ["KeyError('/x')"]


@in_loop
async def test_a_stop_cuts_off_who_is_being_answered() -> None:
    async with server() as address:
        reader, writer = await asyncio.open_connection(*address)
        writer.write(b"GET /")
        await exchange(address, b"GET / HTTP/1.1\r\n\r\n")
    async with asyncio.timeout(HANGS_S):
        try:
            assert await reader.read() == b""
        except ConnectionError:
            pass
    writer.close()


def test_headers_are_read_whatever_their_case_and_several_are_one() -> None:
    request = parse(b"GET /a?b HTTP/1.1\r\nAccept: x\r\naCCEPT:  y \r\n\r\n")
    assert request == Request("GET", "/a", {"accept": "x, y"})
    with pytest.raises(BadRequest):
        parse(b"GET / HTTP/1.1\r\n folded\r\n\r\n")


@pytest.mark.parametrize(
    ("header", "accepted"),
    [
        ("", False),
        ("gzip", True),
        ("br, GZIP; q=0.1", True),
        ("gzip;q=0", False),
        ("gzip; q=0.000", False),
        ("*", False),
    ],
)
def test_gzip_is_used_where_it_is_accepted(header: str, accepted: bool) -> None:
    assert accepts_gzip(header) is accepted


@pytest.mark.parametrize(
    ("value", "address"),
    [
        ("127.0.0.1:9464", Address("127.0.0.1", 9464)),
        (" 9464 ", Address("127.0.0.1", 9464)),
        (9464, Address("127.0.0.1", 9464)),
        ("[::1]:9464", Address("::1", 9464)),
        ("node-1.example:80", Address("node-1.example", 80)),
    ],
)
def test_an_address_is_a_host_and_a_port_or_a_port(value: object, address: Address) -> None:
    assert load({"metrics": value}, environ={}).metrics == address


@pytest.mark.parametrize(
    "value", ["", "here", "::1:9464", ":9464", "here:", "127.0.0.1:65536", "1.2.3.4:-1", "http://a:1"]
)
def test_another_address_is_a_mistake_that_is_explained(value: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^--metrics must be host:port, as 127.0.0.1:9464 or \[::1\]:9464"):
        load({"metrics": value}, environ={})


def test_an_address_that_cannot_be_had_says_why() -> None:
    with listen(Address("127.0.0.1", 0)) as taken:
        address = address_of(taken)
        with pytest.raises(ConfigurationError, match=rf"^--metrics {address}: the port is taken"):
            listen(address)
    listen(address).close()
    with pytest.raises(ConfigurationError, match=r"192.0.2.1 is no address of this machine"):
        listen(Address("192.0.2.1", 9464))
    with pytest.raises(ConfigurationError, match=r"the host no..where is not known"):
        listen(Address("no..where", 9464))
