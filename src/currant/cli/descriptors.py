"""How many file descriptors a supervisor may have."""

import resource

from currant.errors import ConfigurationError
from currant.supervisor.sizing import descriptors_needed

DESCRIPTORS_MAX = 65_536


def descriptors_allowed() -> int:
    """Returns how many file descriptors `currantd` may have, which raises its soft limit for itself."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return DESCRIPTORS_MAX if hard == resource.RLIM_INFINITY else min(hard, DESCRIPTORS_MAX)


def raise_descriptor_limit(procs: int) -> None:
    """The usual soft limit of descriptors, 1,024, is for programs that use select().

    Raises:
        ConfigurationError: the hard limit is too low for so many children.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit, needed = descriptors_allowed(), descriptors_needed(procs)
    if limit < needed:
        raise ConfigurationError(
            f"--procs {procs} needs {needed} file descriptors, and the limit is {limit}:"
            " raise it (ulimit -n, or LimitNOFILE= in systemd), or start fewer children"
        )
    if soft < limit:
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
