"""The child processes, by place, and the supervisors over them."""

from grafana.panels import GREEN, ORANGE, RED, Kind, Panel, Query, Row
from grafana.rows.selectors import NODE, rate, ratio

_PLACE = "instance, child"
_LEGEND = "{{instance}} {{child}}"

CHILDREN = Row(
    "Children",
    [
        Panel(
            title="Utilization",
            description="The part of its slots' time in which each child ran something.",
            queries=[
                Query(
                    ratio("currant_child_busy_slot_seconds_total", "currant_child_slot_seconds_total", _PLACE), _LEGEND
                )
            ],
            unit="percentunit",
            max=1,
        ),
        Panel(
            title="Slots",
            description="Slots of all chosen children, and those that run something at the moment.",
            queries=[
                Query(f"sum(currant_child_slots{{{NODE}}})", "slots"),
                Query(f"sum(currant_child_busy_slots{{{NODE}}})", "busy"),
            ],
            unit="short",
        ),
        Panel(
            title="Executions by child",
            description="Executions per second that each child ended. Uneven: one child is slower, or new.",
            queries=[Query(rate("currant_child_executions_total", _PLACE), _LEGEND)],
            unit="cps",
        ),
        Panel(
            title="Loop lag",
            description="By how much the child's event loop was late at the most, in the last ten seconds or so. "
            "High: code in an `async def` blocks, or the machine has too few processors. At 3 s the child is stalled.",
            queries=[Query(f"max by ({_PLACE}) (currant_child_loop_lag_seconds{{{NODE}}})", _LEGEND)],
            unit="s",
        ),
        Panel(
            title="Processors",
            description="What each child uses of processors; 100 % is one of them. A child cannot use more with code "
            "that holds the GIL.",
            queries=[Query(rate("currant_child_cpu_seconds_total", _PLACE), _LEGEND)],
            unit="percentunit",
        ),
        Panel(
            title="Resident memory",
            description="Of each child's process. A ramp is a leak, a saw tooth one within --max-memory-per-child.",
            queries=[Query(f"max by ({_PLACE}) (currant_child_resident_memory_bytes{{{NODE}}})", _LEGEND)],
            unit="bytes",
        ),
        Panel(
            title="Restarts by reason",
            description="Children that were replaced, in each interval of the panel. executions, memory, reload and "
            "asked are meant to be; died, stalled, timeout and boot are not.",
            queries=[
                Query(
                    f"sum by (reason) (increase(currant_child_restarts_total{{{NODE}}}[$__rate_interval]))",
                    "{{reason}}",
                )
            ],
            unit="short",
            stacked=True,
        ),
        Panel(
            title="Age",
            description="How long the present process of each place has run.",
            queries=[Query(f"time() - max by ({_PLACE}) (currant_child_start_time_seconds{{{NODE}}} > 0)", _LEGEND)],
            unit="s",
        ),
        Panel(
            title="Up",
            description="Whether each place has a child that takes work.",
            queries=[Query(f"max by ({_PLACE}) (currant_child_up{{{NODE}}})", _LEGEND)],
            unit="short",
            kind=Kind.STATES,
            states=((0, "down", RED), (1, "up", GREEN)),
        ),
        Panel(
            title="Supervisor: processors",
            description="What each supervisor uses of processors. It has one thread: near 100 % it "
            "is what limits the node.",
            queries=[Query(rate("process_cpu_seconds_total", "instance"), "{{instance}}")],
            unit="percentunit",
            steps=((0, GREEN), (0.7, ORANGE), (0.9, RED)),
        ),
        Panel(
            title="Supervisor: memory",
            description="Resident memory of each supervisor.",
            queries=[Query(f"max by (instance) (process_resident_memory_bytes{{{NODE}}})", "{{instance}}")],
            unit="bytes",
        ),
        Panel(
            title="Supervisor: open files",
            description="Sockets to children and to the database, pipes, files.",
            queries=[
                Query(f"max by (instance) (process_open_fds{{{NODE}}})", "{{instance}}"),
                Query(f"min(process_max_fds{{{NODE}}})", "limit"),
            ],
            unit="short",
        ),
    ],
)
