"""What `currant migrate` says: of a rewrite, of a dry run; and which of its options go together."""

from currant.errors import ConfigurationError
from currant.store.migrate import VERSION
from currant.store.survey import Rows, Survey
from currant.store.upgrade_queries import Size

_LIVE_MAX = 10


def check_options(*, sql: bool, dry_run: bool, start: int | None, database_named: bool) -> None:
    """Raises ConfigurationError for options that do not go together, and for a version that there is not.

    Args:
        start: what --from says.
        database_named: whether the command line itself names a database.
    """
    if sql and dry_run:
        raise ConfigurationError("--sql and --dry-run exclude each other")
    if start is None:
        return
    if not sql:
        raise ConfigurationError("--from is for --sql alone: without it the database says which version it has")
    if database_named:
        raise ConfigurationError("--from asks no database: leave --embedded and --database-url out, or --from")
    if not 0 <= start <= VERSION:
        raise ConfigurationError(f"--from must be a version from 0 (an empty schema) to {VERSION}, got {start}")


def rewrite_line(version: int, size: Size) -> str:
    """Returns what is said before executions are rewritten."""
    rows = "" if size.rows is None else f", about {size.rows:,} rows"
    return (
        f"version {version} rewrites the table executions ({size.text} with its indexes{rows}): it is locked meanwhile,"
        " for readers too, and needs as much free space again"
    )


def survey_lines(place: str, survey: Survey) -> list[str]:
    """Returns what a dry run says."""
    if not survey.steps:
        return [f"{place}: the schema is of version {survey.before} already: nothing would be done"]
    had = f"has the schema's version {survey.before}" if survey.before else "has no schema of Currant's yet"
    lines = [f"{place} {had}; in one transaction it would get:"]
    lines += [f"  version {step.version}: {step.meaning}" for step in survey.steps]
    if survey.rows is not None:
        lines += [rewrite_line(step.version, survey.rows.size) for step in survey.rewriting]
        lines += _rows_lines(survey.rows, survey.before)
    lines += [f"this would fail: {obstacle}" for obstacle in survey.obstacles]
    return [*lines, "nothing was changed"]


def _rows_lines(rows: Rows, before: int) -> list[str]:
    states = ", ".join(f"{each.rows:,} {each.status}" for each in rows.states) or "none"
    lines = [f"executions by status: {states}"]
    if before == 1:
        lines.append(_workers_line(rows))
    if rows.left_behind:
        lines.append(f"running jobs whose worker is gone: {rows.left_behind:,}; the first currantd runs them again")
    if rows.slow_indexes:
        lines.append(
            "indexes of your own that make each completion slower, for they hold what it writes:"
            f" {', '.join(rows.slow_indexes)}; drop them if you can"
        )
    return lines


def _workers_line(rows: Rows) -> str:
    if not rows.live:
        return "no version-1 worker has sent a heartbeat in the last minute, as it should be"
    named = ", ".join(rows.live[:_LIVE_MAX])
    more = f" and {len(rows.live) - _LIVE_MAX} more" if len(rows.live) > _LIVE_MAX else ""
    return f"stop the version-1 workers first: these sent a heartbeat in the last minute: {named}{more}"
