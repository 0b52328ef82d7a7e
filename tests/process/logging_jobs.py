"""Jobs that log, by the standard library's logging and by structlog."""

import logging
import os
import sys

import structlog

from currant import job

log = logging.getLogger(__name__)
structlog.configure(
    processors=[
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.JSONRenderer(),
    ],
    logger_factory=structlog.PrintLoggerFactory(sys.stderr),
)
slog = structlog.get_logger()


@job(queue="test")
async def says(word: str) -> None:
    log.info("said %s", word)
    log.debug("too low")
    slog.info("sang", word=word)


@job(queue="test")
def says_in_thread(word: str) -> None:
    log.warning("said %s", word, extra={"pid": os.getpid()})
    slog.warning("sang", word=word)


@job(queue="test")
async def talks(lines: int) -> None:
    """Fills any pipe, in every way there is."""
    for number in range(lines):
        log.warning("line %d %s", number, "x" * 1000)
        print("x" * 1000)
    os.write(2, b"raw\n")
