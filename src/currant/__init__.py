"""Currant: a durable job scheduler that needs nothing but Postgres."""

from currant.configuration import aclose, close, configure
from currant.context import CurrentExecution, current_execution
from currant.endings import Discard, Retry, Snooze
from currant.errors import (
    ConfigurationError,
    CurrantError,
    DatabaseError,
    DatabaseUnreachable,
    ExecutionCancelled,
    ExecutionFailed,
    ExecutionNotFound,
    NotJSON,
    PayloadError,
    PayloadTooLarge,
    RegistrationError,
    SchemaError,
)
from currant.handles import Handle
from currant.hooks import middleware, on_child_start, on_child_stop
from currant.jobs import Call, Job, enqueue_many, enqueue_many_sync, job

__all__ = [
    "Call",
    "ConfigurationError",
    "CurrantError",
    "CurrentExecution",
    "DatabaseError",
    "DatabaseUnreachable",
    "Discard",
    "ExecutionCancelled",
    "ExecutionFailed",
    "ExecutionNotFound",
    "Handle",
    "Job",
    "NotJSON",
    "PayloadError",
    "PayloadTooLarge",
    "RegistrationError",
    "Retry",
    "SchemaError",
    "Snooze",
    "aclose",
    "close",
    "configure",
    "current_execution",
    "enqueue_many",
    "enqueue_many_sync",
    "job",
    "middleware",
    "on_child_start",
    "on_child_stop",
]
