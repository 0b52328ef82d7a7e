"""The rules of names."""

from currant.errors import ConfigurationError

#: No execution has a longer id: it would not fit into the index of its primary key.
ID_BYTES_MAX = 8191
#: Channels of Currant's own begin with this; queues, whose names are channels, may not.
RESERVED = "currant:"


def check_queue(queue: str) -> str:
    """Returns the name of the queue; raises ConfigurationError when it cannot be a channel of Postgres."""
    if not isinstance(queue, str) or not 1 <= stored_size(queue) <= 63:
        raise ConfigurationError(f"a queue's name must have 1 to 63 bytes, got {queue!r}")
    if queue.startswith(RESERVED):
        raise ConfigurationError(f"a queue's name must not begin with {RESERVED!r}, which is reserved, got {queue!r}")
    return queue


def check_name(name: str) -> str:
    """Returns the name of a job; raises ConfigurationError when it cannot be stored."""
    if not isinstance(name, str) or not stored_size(name):
        raise ConfigurationError(f"a job's name must be a string of at least one character, got {name!r}")
    return name


def stored_size(text: str) -> int:
    """Returns the length in UTF-8; 0 for what Postgres cannot store: a NUL character, or a lone surrogate."""
    try:
        return 0 if "\0" in text else len(text.encode())
    except UnicodeEncodeError:
        return 0
