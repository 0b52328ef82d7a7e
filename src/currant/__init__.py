"""Currant: a durable job scheduler that needs nothing but Postgres."""

from currant.context import CurrentExecution, current_execution
from currant.errors import (
    ConfigurationError,
    CurrantError,
    DatabaseError,
    DatabaseUnreachable,
    NotJSON,
    PayloadError,
    PayloadTooLarge,
    RegistrationError,
    SchemaError,
)
from currant.jobs import Call, Handle, Job, enqueue_many, job

__all__ = [
    "Call",
    "ConfigurationError",
    "CurrantError",
    "CurrentExecution",
    "DatabaseError",
    "DatabaseUnreachable",
    "Handle",
    "Job",
    "NotJSON",
    "PayloadError",
    "PayloadTooLarge",
    "RegistrationError",
    "SchemaError",
    "current_execution",
    "enqueue_many",
    "job",
]
