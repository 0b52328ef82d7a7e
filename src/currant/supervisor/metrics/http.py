"""As much of HTTP/1.1 as Prometheus, a probe of a container and curl need: one request for each connection.

Whoever connects is a stranger: what it may send, for how long it may take, and how many there may be at a time is
bounded, and nothing that it does is felt elsewhere.
"""

import asyncio
import re
import socket
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import NamedTuple
from urllib.parse import urlsplit

CLIENTS_MAX = 16
#: Of a request: its line and its headers.
HEAD_BYTES_MAX = 16 << 10
#: How long a client may take to send its request, and to take the answer.
READ_S, WRITE_S = 5.0, 10.0
#: Afterwards so much is read for so long of what it sends besides: else it might not see the answer.
LINGER_S, LINGER_BYTES_MAX = 1.0, 64 << 10
PLAIN = "text/plain; charset=utf-8"

_LINE = re.compile(r"([!-~]+) ([!-~]+) HTTP/(\d)\.\d")
_HEADER = re.compile(r"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*([^\0\r\n]*)")


class Request(NamedTuple):
    """A request; the names of `headers` in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]


class Response(NamedTuple):
    """What is answered."""

    status: HTTPStatus
    body: bytes
    content_type: str = PLAIN
    headers: Mapping[str, str] = {}

    @classmethod
    def text(cls, status: HTTPStatus, text: str, **headers: str) -> "Response":
        return cls(status, f"{text}\n".encode(), PLAIN, headers)


class BadRequest(Exception):
    """It cannot be answered as it is."""

    def __init__(self, status: HTTPStatus, text: str) -> None:
        super().__init__(text)
        self.status, self.text = status, text


class HttpServer:
    """Answers GET and HEAD."""

    def __init__(self, listening: socket.socket, answer: Callable[[Request], Awaitable[Response]]) -> None:
        """`listening` is bound, and listens."""
        self._listening, self._answer = listening, answer
        self._server: asyncio.Server | None = None
        self._clients: set[asyncio.WriteTransport] = set()

    @property
    def clients(self) -> int:
        """How many there are at the moment."""
        return len(self._clients)

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, sock=self._listening, limit=HEAD_BYTES_MAX)

    def stop(self) -> None:
        """Listens no more, and cuts off whoever is being answered."""
        if self._server is not None:
            self._server.close()
        for client in self._clients:
            client.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # So that `drain` returns when all is sent.
        writer.transport.set_write_buffer_limits(high=0)
        self._clients.add(writer.transport)
        try:
            request, response = await self._respond(reader)
            async with asyncio.timeout(WRITE_S):
                writer.write(_encoded(response, with_body=request is None or request.method != "HEAD"))
                await writer.drain()
            await _linger(reader, writer)
        except (TimeoutError, OSError, EOFError):
            # Its own fault. Not `close`, which would keep what it does not read, for ever.
            writer.transport.abort()
        finally:
            self._clients.discard(writer.transport)
            writer.close()

    async def _respond(self, reader: asyncio.StreamReader) -> tuple[Request | None, Response]:
        """Raises EOFError: it has gone; OSError."""
        request = None
        try:
            if len(self._clients) > CLIENTS_MAX:
                raise BadRequest(HTTPStatus.SERVICE_UNAVAILABLE, "too many clients at a time")
            request = await _request(reader)
            if request.method not in ("GET", "HEAD"):
                response = Response.text(HTTPStatus.METHOD_NOT_ALLOWED, "only GET and HEAD", Allow="GET, HEAD")
            else:
                response = await self._answer(request)
        except BadRequest as error:
            response = Response.text(error.status, error.text)
        except (EOFError, OSError):
            raise
        except Exception as error:
            # A mistake of ours, which is told where all of these are; who asks is to know that the node lives.
            told = {"message": "an answer to an HTTP request failed", "exception": error}
            asyncio.get_running_loop().call_exception_handler(told)
            response = Response.text(HTTPStatus.INTERNAL_SERVER_ERROR, "a mistake of Currant's: the log has it")
        return request, response


async def _request(reader: asyncio.StreamReader) -> Request:
    """Raises BadRequest; EOFError: the client has gone; OSError."""
    try:
        async with asyncio.timeout(READ_S):
            head = await reader.readuntil(b"\r\n\r\n")
    except TimeoutError:
        raise BadRequest(HTTPStatus.REQUEST_TIMEOUT, f"no request within {READ_S:g} s") from None
    except asyncio.LimitOverrunError:
        text = f"the request's head is longer than {HEAD_BYTES_MAX} bytes"
        raise BadRequest(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, text) from None
    return parse(head)


def parse(head: bytes) -> Request:
    """Returns what the head of a request says, which ends with an empty line. Raises BadRequest."""
    first, *lines = head.decode("latin-1").split("\r\n")[:-2]
    if (line := _LINE.fullmatch(first)) is None:
        raise BadRequest(HTTPStatus.BAD_REQUEST, "this is no request of HTTP/1")
    method, target, major = line.groups()
    if major != "1":
        raise BadRequest(HTTPStatus.HTTP_VERSION_NOT_SUPPORTED, "only HTTP/1 is spoken here")
    headers: dict[str, str] = {}
    for each in lines:
        if (header := _HEADER.fullmatch(each)) is None:
            raise BadRequest(HTTPStatus.BAD_REQUEST, "a header is no header")
        name, value = header[1].lower(), header[2].strip()
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    try:
        path = urlsplit(target).path
    except ValueError:
        raise BadRequest(HTTPStatus.BAD_REQUEST, "the address cannot be read") from None
    return Request(method, path, headers)


def accepts_gzip(header: str) -> bool:
    """Whether the header Accept-Encoding allows gzip."""
    for each in header.lower().split(","):
        coding, *parameters = (part.strip() for part in each.split(";"))
        if coding == "gzip":
            return not any(re.fullmatch(r"q\s*=\s*0(\.0*)?", parameter) for parameter in parameters)
    return False


def _encoded(response: Response, *, with_body: bool) -> bytes:
    headers = {
        "Content-Type": response.content_type,
        "Content-Length": str(len(response.body)),
        "Cache-Control": "no-store",
        "Connection": "close",
        **response.headers,
    }
    lines = [f"HTTP/1.1 {response.status.value} {response.status.phrase}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    head = "".join(f"{line}\r\n" for line in [*lines, ""]).encode("latin-1")
    return head + response.body if with_body else head


async def _linger(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A connection that is closed with something unread is reset, and the answer perhaps lost."""
    writer.write_eof()
    left = LINGER_BYTES_MAX
    async with asyncio.timeout(LINGER_S):
        while left > 0 and (data := await reader.read(left)):
            left -= len(data)
