"""/metrics, /healthz and /readyz of a node."""

import socket
from collections.abc import Awaitable, Callable
from http import HTTPStatus

from prometheus_client import CollectorRegistry
from prometheus_client.registry import Collector

from currant.supervisor.events import Event, Log
from currant.supervisor.metrics.exposition import Exposition
from currant.supervisor.metrics.http import HttpServer, Request, Response, accepts_gzip
from currant.supervisor.metrics.listening import address_of

METRICS_PATH, LIVE_PATH, READY_PATH = "/metrics", "/healthz", "/readyz"


class Endpoint:
    """Answers whoever watches the node."""

    def __init__(
        self,
        listening: socket.socket,
        collector: Collector,
        *,
        refresh: Callable[[], Awaitable[None]],
        why_not_ready: Callable[[], str | None],
        log: Log,
    ) -> None:
        """
        Args:
            listening: the socket, which listens already.
            refresh: brings up to date what the collector has from elsewhere; returns soon, whatever happens there.
            why_not_ready: None: the node is ready for work.
        """
        registry = CollectorRegistry()
        registry.register(collector)
        self._exposition = Exposition(registry)
        self._listening, self._refresh, self._why_not_ready, self._log = listening, refresh, why_not_ready, log
        self._server = HttpServer(listening, self._answer)

    async def start(self) -> None:
        """Answers from now on: while the node starts, it is live and not ready."""
        await self._server.start()
        self._log.info(Event.METRICS, url=f"http://{address_of(self._listening)}{METRICS_PATH}")

    def stop(self) -> None:
        """Answers no more."""
        self._server.stop()

    async def _answer(self, request: Request) -> Response:
        if request.path == METRICS_PATH:
            return await self._metrics(request)
        if request.path == LIVE_PATH:
            return Response.text(HTTPStatus.OK, "live")
        if request.path == READY_PATH:
            reason = self._why_not_ready()
            if reason is None:
                return Response.text(HTTPStatus.OK, "ready")
            return Response.text(HTTPStatus.SERVICE_UNAVAILABLE, f"not ready: {reason}")
        return Response.text(HTTPStatus.NOT_FOUND, f"there are {METRICS_PATH}, {LIVE_PATH} and {READY_PATH}")

    async def _metrics(self, request: Request) -> Response:
        await self._refresh()
        gzipped = accepts_gzip(request.headers.get("accept-encoding", ""))
        content_type, body = await self._exposition.render(request.headers.get("accept", ""), gzipped=gzipped)
        headers = {"Vary": "Accept, Accept-Encoding"}
        if gzipped:
            headers["Content-Encoding"] = "gzip"
        return Response(HTTPStatus.OK, body, content_type, headers)
