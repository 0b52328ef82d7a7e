"""Checks of the database: the server, the schema, the rights of the role, and what stands between."""

from collections.abc import Mapping, Sequence

from currant.cli.doctor.check import Check, Checks, Part, some
from currant.cli.output import duration
from currant.settings import environment_name
from currant.store.checkup import Connections, Holder, Server, Sessions, Vacuum
from currant.store.grants import Right

_of = Checks(Part.DATABASE)
#: The oldest version that Currant is tested with.
NUMBER_MIN = 150_000
#: A node's connections: three, and two more for a moment.
CONNECTIONS_OF_NODE = 5
CLOCK_S_MAX = 2.0
#: What has held back vacuum for so long is named; a transaction so old holds it back, a replication slot so many.
HELD_S, HELD_TRANSACTIONS = 300.0, 1_000_000
#: Of the two thousand million transactions after which the server stops writing.
AGE_MAX = 1_000_000_000
STATEMENT_S_MIN, IDLE_S_MIN = 10.0, 60.0
SETTINGS = (
    "autovacuum",
    "default_transaction_isolation",
    "default_transaction_read_only",
    "fsync",
    "full_page_writes",
    "idle_session_timeout",
    "statement_timeout",
    "track_counts",
    "transaction_timeout",
)


def check_address(url: str | None) -> Check | None:
    """Says that no database is named, if none is."""
    if url is not None:
        return None
    advice = f"set {environment_name('database_url')}, or give --database-url"
    return _of.failed("connection", "no database is named", advice)


def reached(place: str, round_trip_s: float) -> Check:
    return _of.ok("connection", f"{place} answers within {1000 * round_trip_s:,.1f} ms")


def unreachable(error: Exception) -> Check:
    """Says why no connection came about, and what is mostly the cause."""
    text = str(error)
    for part, advice in _CAUSES.items():
        if part in text:
            return _of.failed("connection", text, advice)
    return _of.failed("connection", text, f"check {environment_name('database_url')}, and whether the server is well")


_CAUSES = {
    "password authentication failed": "check user and password in CURRANT_DATABASE_URL, PGPASSWORD or ~/.pgpass",
    "no password supplied": "give the password in CURRANT_DATABASE_URL, PGPASSWORD or ~/.pgpass",
    "pg_hba.conf": "let the server's pg_hba.conf admit this host and user, or connect with TLS (sslmode=require)",
    "authentication": "check the user in CURRANT_DATABASE_URL, and what the server's pg_hba.conf asks of it",
    "permission denied": "let the role connect: GRANT CONNECT ON DATABASE ... TO ...",
    "does not exist": "check the names of database and user in CURRANT_DATABASE_URL, or make what is missing",
    "cannot be read": "write the address as postgresql://user:password@host:5432/database",
    "unsupported startup parameter": "a pooler answers: name the server itself, or let it ignore_startup_parameters",
    "too many": "end connections that nobody needs, or raise the limit; see `SELECT * FROM pg_stat_activity`",
    "remaining connection slots": "end connections that nobody needs, or raise max_connections",
    "starting up": "wait until the server has started",
    "Connection refused": "start the server, or check the host and the port in CURRANT_DATABASE_URL",
    "No such file": "start the server, or name its host in CURRANT_DATABASE_URL: without one its local socket is used",
    "resolve": "check the host's name in CURRANT_DATABASE_URL, and this machine's DNS",
    "timeout expired": "check the host in CURRANT_DATABASE_URL, and the firewalls on the way",
}


def check_server(server: Server) -> list[Check]:
    told = f"PostgreSQL {server.version}"
    version = _of.ok("version", told)
    if server.number < NUMBER_MIN:
        version = _of.warning(
            "version", told, f"Currant is tested with PostgreSQL {NUMBER_MIN // 10_000} and later: upgrade"
        )
    if server.standby:
        advice = "name the primary, or several hosts: a node takes the one that can be written to"
        return [version, _of.failed("primary", "the server is a standby, which is read-only", advice)]
    return [version]


def check_schema(server: Server, version: int, wanted: int) -> Check:
    """`version`: of the schema that the search path leads to, 0 without one; `wanted`: the one that we work with."""
    name = "schema"
    if version == wanted:
        return _of.ok(name, f"version {version}, in {server.place}")
    if version > wanted:
        return _of.failed(name, f"version {version}, which this Currant ({wanted}) does not know", "upgrade Currant")
    if version:
        return _of.failed(name, f"version {version}, and this Currant works with {wanted}", "run `currant migrate`")
    if server.elsewhere:
        places = some(server.elsewhere)
        advice = (
            f"ALTER ROLE {server.account} SET search_path = {server.elsewhere[0]}, and run `currant grant` if need be"
        )
        return _of.failed(name, f"a table executions is in {places}, where this role does not look, or may not", advice)
    return _of.failed(name, "the database has none of Currant's tables", "run `currant migrate`")


def check_rights(server: Server, missing: Sequence[Right]) -> Check:
    name = "rights"
    if missing:
        lacking = some(f"{each.privilege} on {each.table}" for each in missing)
        return _of.failed(
            name,
            f"the role {server.account} lacks {lacking}",
            f"run `currant grant {server.account}` as the owner of the tables",
        )
    if server.owner:
        return _of.ok(
            name, f"the role {server.account} owns the tables; `currant grant` gives another no more than it needs"
        )
    return _of.ok(name, f"the role {server.account} has all that a node needs")


def check_sessions(sessions: Sessions, poll_s: float | None) -> list[Check]:
    pooler, listen = "pooler", "notifications"
    if sessions.shared:
        return [
            _of.failed(
                pooler,
                "a pooler shares the sessions by the transaction: LISTEN, SET and prepared statements get lost",
                "give nodes the server's own address, or the pooler's with pool_mode = session",
            )
        ]
    said = (
        "a pooler, which keeps a session for each connection"
        if sessions.pooled
        else "none: each connection has a session"
    )
    checks = [_of.ok(pooler, said)]
    if not sessions.heard and poll_s is None:
        advice = f"set {environment_name('poll_s')} to 1, or name the server itself: what stands between drops them"
        return [*checks, _of.failed(listen, "a NOTIFY did not come through", advice)]
    if sessions.heard and poll_s is not None:
        advice = f"unset {environment_name('poll_s')}: polling costs the server more, and jobs start later"
        return [
            *checks,
            _of.warning(listen, f"they come through, and nodes poll every {poll_s:g} s all the same", advice),
        ]
    told = "they come through" if sessions.heard else f"they do not come through; nodes poll every {poll_s:g} s"
    return [*checks, _of.ok(listen, told)]


def check_clock(offset_s: float, doubt_s: float) -> Check:
    """`offset_s`: by how much the server's clock is ahead, give or take `doubt_s`."""
    way = "ahead of" if offset_s > 0 else "behind"
    told = f"the server's is {abs(offset_s):,.3g} s {way} this machine's"
    if abs(offset_s) - doubt_s > CLOCK_S_MAX:
        return _of.warning(
            "clock", told, "let both keep time by NTP (timedatectl): the server's counts for all schedules"
        )
    return _of.ok("clock", told if abs(offset_s) > doubt_s else "the server's and this machine's agree")


def check_connections(found: Connections) -> Check:
    name = "connections"
    limits = [(found.most, found.taken, "of the server"), (found.most_here, found.here, "of the database")]
    limits.append((found.most_own, found.own, "of the role"))
    left, most, whose = min((most - taken, most, whose) for most, taken, whose in limits if most is not None)
    told = f"{max(0, left):,} of {most:,} {whose} are left"
    if left < CONNECTIONS_OF_NODE:
        advice = f"a node takes up to {CONNECTIONS_OF_NODE}: end what nobody needs, or raise the limit"
        return (_of.failed if left <= 0 else _of.warning)(name, told, advice)
    if left < most / 10:
        return _of.warning(name, told, "end connections that nobody needs, or raise the limit, before nodes find none")
    return _of.ok(name, told)


def check_holders(found: Sequence[Holder], *, sees_all: bool) -> Check:
    name = "vacuum held back"
    if found:
        worst = found[0]
        others = f", and {len(found) - 1} more" if len(found) > 1 else ""
        return _of.warning(name, f"by {_holder(worst)}{others}", f"end it: {_END[worst.kind].format(worst.name)}")
    if not sees_all:
        return _of.ok(name, "by none that this role may see; GRANT pg_read_all_stats lets it see all sessions")
    return _of.ok(name, f"by no transaction older than {duration(HELD_S)}")


_END = {
    "session": "SELECT pg_terminate_backend({0})",
    "prepared transaction": "ROLLBACK PREPARED '{0}', in its database",
    "replication slot": "SELECT pg_drop_replication_slot('{0}') if its standby never comes back",
}


def _holder(holder: Holder) -> str:
    since = f"{holder.transactions:,} transactions" if holder.age_s is None else duration(holder.age_s)
    program = f" of {holder.program}" if holder.program else ""
    state = f", {holder.state}" if holder.state else ""
    what = f"pid {holder.name}" if holder.kind == "session" else f"the {holder.kind} {holder.name}"
    return f"{what}{program} for {since}{state}"


def check_vacuum(found: Vacuum, settings: Mapping[str, str]) -> Check:
    name = "autovacuum"
    off = [each for each in ("autovacuum", "track_counts") if settings.get(each) == "off"]
    if off or found.disabled:
        what = f"{off[0]} is off for the whole server" if off else "it is off for the table executions"
        advice = f"ALTER SYSTEM SET {off[0]} = on" if off else "ALTER TABLE executions RESET (autovacuum_enabled)"
        return _of.warning(name, f"{what}: the table grows, and claims get slower", advice)
    if found.transactions > AGE_MAX:
        advice = "VACUUM (FREEZE) executions, and look for what holds vacuum back"
        return _of.warning(name, f"the oldest row may be {found.transactions:,} transactions old", advice)
    when = "not yet" if found.vacuumed_s is None else f"{duration(found.vacuumed_s)} ago"
    told = f"{found.dead:,} dead row versions beside {found.live:,} live ones; last vacuum {when}"
    if found.dead > 1_000_000 and found.dead > 2 * found.live:
        advice = "VACUUM executions; if they come back, see what holds vacuum back, or let autovacuum work faster"
        return _of.warning(name, told, advice)
    return _of.ok(name, told)


def check_settings(found: Mapping[str, str], account: str) -> list[Check]:
    """Checks the server's settings as this role gets them."""
    name = "server settings"
    checks = []
    if found.get("default_transaction_read_only") == "on":
        advice = f"ALTER ROLE {account} SET default_transaction_read_only = off"
        checks.append(_of.failed(name, "transactions of this role are read-only", advice))
    for each in ("fsync", "full_page_writes"):
        if found.get(each) == "off":
            told = f"{each} is off: a crash of the server's machine may destroy the database"
            checks.append(_of.warning(name, told, f"ALTER SYSTEM SET {each} = on"))
    if found.get("default_transaction_isolation") not in (None, "read committed"):
        advice = f"ALTER ROLE {account} SET default_transaction_isolation = 'read committed'"
        isolation = found["default_transaction_isolation"]
        told = f"default_transaction_isolation is {isolation}: statements are refused, and repeated"
        checks.append(_of.warning(name, told, advice))
    for each, least_s in (
        ("statement_timeout", STATEMENT_S_MIN),
        ("transaction_timeout", STATEMENT_S_MIN),
        ("idle_session_timeout", IDLE_S_MIN),
    ):
        seconds = int(found.get(each, 0)) / 1000
        if 0 < seconds < least_s:
            told = f"{each} is {seconds:g} s for this role: a node's connections are cut off"
            checks.append(_of.warning(name, told, f"ALTER ROLE {account} SET {each} = 0"))
    return checks or [_of.ok(name, "none stands in the way")]


def not_checked(name: str, because: str) -> Check:
    """Says that a check could not be made."""
    return _of.failed(name, f"not checked: {because}", "see to that first")
