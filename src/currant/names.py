"""The rules of names."""

from currant.errors import ConfigurationError


def check_queue(queue: str) -> str:
    """Returns the name of the queue; raises ConfigurationError when it cannot be a channel of Postgres."""
    if not isinstance(queue, str) or not 1 <= len(queue.encode("utf-8", "replace")) <= 63 or "\0" in queue:
        raise ConfigurationError(f"a queue's name must have 1 to 63 bytes, got {queue!r}")
    if queue.startswith("currant:"):
        raise ConfigurationError(f"a queue's name must not begin with 'currant:', which is reserved, got {queue!r}")
    return queue
