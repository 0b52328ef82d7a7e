"""`currantctl`: asks the supervisor on this machine. Puts its commands together."""

from currant.cli.common import VersionOption
from currant.cli.ctl import node, queues, status, top
from currant.cli.doctor.command import doctor_command
from currant.cli.shell import App, run

app = App(no_args_is_help=True)

app.command("status")(status.status_command)
app.command("top")(top.top_command)
app.command("reload")(node.reload_command)
app.command("pause")(queues.pause_command)
app.command("resume")(queues.resume_command)
app.command("doctor")(doctor_command)


@app.callback()
def currantctl(version: VersionOption = False) -> None:
    """Asks the currantd of this machine over its control socket."""


def main() -> None:
    run(app, "currantctl")


if __name__ == "__main__":
    main()
