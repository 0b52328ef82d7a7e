"""`currantctl reload`: what is asked of the node as a whole."""

import sys

import typer

from currant.cli import exits
from currant.cli.common import RuntimeDirOption, reported
from currant.cli.ctl.asked import NAME, JsonOption, asked
from currant.cli.output import write_json
from currant.protocol.commands import ReloadReply, ReloadRequest


def reload_command(as_json: JsonOption = False, runtime_dir: RuntimeDirOption = None) -> None:
    """Replaces its children, one by one, by such that run the code as it is now; waits until that is done.

    What runs is finished by the old ones. Code that cannot be imported, or whose start hooks fail, changes nothing, and
    the exit code is then 1. The same as SIGHUP to currantd.
    """
    with reported(NAME):
        reply = asked(runtime_dir, ReloadRequest(), ReloadReply)
        if as_json:
            write_json(reply)
        elif reply.error is None:
            print(f"reloaded: {len(reply.functions)} functions")
            for word, functions in (("new", reply.added), ("gone", reply.removed)):
                if functions:
                    print(f"{word}: {', '.join(functions)}")
        else:
            print(f"currantctl: error: not reloaded, the old code goes on: {reply.error}", file=sys.stderr)
        if reply.error is not None:
            raise typer.Exit(exits.FAILED)
