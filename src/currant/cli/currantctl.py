"""`currantctl`: asks the supervisor on this machine. Puts its commands together."""

from currant.cli import exits
from currant.cli.common import VersionOption
from currant.cli.ctl import node, queues, status, top, work
from currant.cli.doctor.command import doctor_command
from currant.cli.shell import App, run

app = App(no_args_is_help=True)

_NODE, _WORK, _QUEUES = "The node", "What it runs", "Queues of all nodes"
_ASKING, _WAITING = exits.epilog(exits.NO_SUPERVISOR), exits.epilog(exits.NO_SUPERVISOR, exits.NOT_IN_TIME)
app.command("status", rich_help_panel=_NODE, epilog=_ASKING)(status.status_command)
app.command("top", rich_help_panel=_NODE, epilog=_ASKING)(top.top_command)
app.command("doctor", rich_help_panel=_NODE)(doctor_command)
app.command("drain", rich_help_panel=_NODE, epilog=_WAITING)(node.drain_command)
app.command("resume", rich_help_panel=_NODE, epilog=_ASKING)(node.resume_command)
app.command("scale", rich_help_panel=_NODE, epilog=_ASKING)(node.scale_command)
app.command("reload", rich_help_panel=_NODE, epilog=_ASKING)(node.reload_command)
app.command("restart", rich_help_panel=_NODE, epilog=_ASKING)(node.restart_command)
app.command("log-level", rich_help_panel=_NODE, epilog=_ASKING)(node.log_level_command)
app.command("running", rich_help_panel=_WORK, epilog=_ASKING)(work.running_command)
app.command("stacks", rich_help_panel=_WORK, epilog=_ASKING)(work.stacks_command)
app.command("cancel", rich_help_panel=_WORK, epilog=_ASKING)(work.cancel_command)
app.command("pause", rich_help_panel=_QUEUES)(queues.pause_command)


@app.callback()
def currantctl(version: VersionOption = False) -> None:
    """Asks the currantd of this machine over its control socket."""


def main() -> None:
    run(app, "currantctl")


if __name__ == "__main__":
    main()
