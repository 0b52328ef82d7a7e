"""The entry of the fork server, started by exec: `python -m currant.child --fd N --parent PID`."""

import argparse
import sys

from currant.child import forkserver


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m currant.child", description="Currant's fork server.")
    parser.add_argument("--fd", type=int, required=True, help="the inherited end of the supervisor's socketpair")
    parser.add_argument("--parent", type=int, required=True, help="the process id of the supervisor")
    options = parser.parse_args()
    return forkserver.main(options.fd, options.parent)


if __name__ == "__main__":
    sys.exit(main())
