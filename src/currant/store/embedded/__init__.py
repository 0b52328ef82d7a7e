"""A PostgreSQL server of Currant's own, for trying things out: `currantd --embedded`, the demo, the tests, the bench.

Two kinds. `start_throwaway` runs one on a temporary folder that is removed at the end; `start_kept` runs one on a data
directory that stays, shared by every process that names it. Both are ready in less than a second, listen on a Unix
socket in a private folder and on no network, and keep Postgres's durable defaults.

    starter ──pipe──▶ watcher (a session of its own, unprivileged) ──▶ postgres

The watcher (`watcher.py`) stops Postgres and removes a throwaway folder when the starter stops the server, ends in any
way or is killed; when the watcher itself is killed, the kernel signals Postgres. So nothing is left running.
"""

from currant.store.embedded.server import EmbeddedServer, start_kept, start_throwaway

__all__ = ["EmbeddedServer", "start_kept", "start_throwaway"]
