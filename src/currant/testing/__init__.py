"""For the tests of applications: `inline()` runs jobs without a database, `CurrantDatabase` with a real one.

With pytest the fixtures `currant_inline` and `currant_db` are there by themselves (plugin.py).
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from currant.testing.database import CurrantDatabase
    from currant.testing.mode import Inline, inline
    from currant.testing.records import InlineExecution

__all__ = ["CurrantDatabase", "Inline", "InlineExecution", "inline"]


def __getattr__(name: str) -> Any:
    # pytest imports this package at its start, in every project of the environment: what it holds, when it is used.
    if name in ("Inline", "inline"):
        from currant.testing import mode

        return getattr(mode, name)
    if name == "InlineExecution":
        from currant.testing.records import InlineExecution

        return InlineExecution
    if name == "CurrantDatabase":
        from currant.testing.database import CurrantDatabase

        return CurrantDatabase
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
