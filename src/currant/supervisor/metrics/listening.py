"""The address at which the metrics are served: taken before anything is started, for a mistake is told at once."""

import errno
import socket

from currant.errors import ConfigurationError
from currant.settings import Address

_WAITING_MAX = 64


def listen(address: Address) -> socket.socket:
    """Returns a socket that listens there. Raises ConfigurationError when it cannot."""
    setting = f"--metrics {address}"
    try:
        found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise ConfigurationError(
            f"{setting}: the host {address.host} is not known: name an address of this machine, as 127.0.0.1"
        ) from None
    family, kind, protocol, _, where = found[0]
    listening = socket.socket(family, kind, protocol)
    try:
        # A supervisor that takes another's place does not wait for what is left of that one's connections.
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(where)
        listening.listen(_WAITING_MAX)
        listening.setblocking(False)
    except OSError as error:
        listening.close()
        raise ConfigurationError(f"{setting}: {_reason(error, address)}") from None
    return listening


def address_of(listening: socket.socket) -> Address:
    """Returns where the socket listens, with the port that the system has chosen, if it was to."""
    host, port, *_ = listening.getsockname()
    return Address(host, port)


def _reason(error: OSError, address: Address) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"the port is taken, perhaps by another currantd: `ss -ltnp 'sport = :{address.port}'` shows by whom"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"{address.host} is no address of this machine: `ip address` shows which it has"
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"the system does not allow this port to this user: take one above {1023:,}"
    return f"the system does not listen there: {error.strerror}"
