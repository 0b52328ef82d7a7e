"""The exit codes of all commands, and what each means: said in every --help, and in docs/cli.md."""

from currant.errors import ConfigurationError, CurrantError, NoSupervisor

DONE, FAILED, USAGE, ENDED_BADLY, NOT_IN_TIME, NO_SUPERVISOR, INTERRUPTED, NOBODY_READS = 0, 1, 2, 3, 4, 5, 130, 141

MEANINGS = {
    DONE: "done",
    FAILED: "failed, or refused for at least one of what was named",
    USAGE: "a mistake in the call or in a setting",
    ENDED_BADLY: "the execution that was waited for failed or was cancelled",
    NOT_IN_TIME: "not in the time given",
    NO_SUPERVISOR: "no currantd runs in the runtime directory",
    INTERRUPTED: "interrupted by Ctrl-C",
    NOBODY_READS: "nobody reads the output any more",
}
#: What any command may end with.
USUAL = (DONE, FAILED, USAGE, INTERRUPTED, NOBODY_READS)


#: `currantd` ends by itself only when it cannot go on.
EPILOG_OF_NODES = (
    f"Exit codes: {DONE} stopped, as it was asked to; {FAILED} it cannot start, or not go on;"
    f" {USAGE} {MEANINGS[USAGE]}."
)


def of(error: CurrantError) -> int:
    """Returns the exit code of a command that an error has ended."""
    if isinstance(error, ConfigurationError):
        return USAGE
    return NO_SUPERVISOR if isinstance(error, NoSupervisor) else FAILED


def epilog(*codes: int) -> str:
    """Returns the exit codes as the last line of a help; `codes`: those beside the usual ones."""
    return f"Exit codes: {'; '.join(f'{code} {MEANINGS[code]}' for code in sorted({*USUAL, *codes}))}."
