"""Imports that never take the bytecode of an earlier edit.

Python takes cached bytecode for that of a source file with the same size and the same modification time in whole
seconds. A reload may follow an edit within its second, and two edits within one are then taken for one.
"""

import os
import time
from collections.abc import Mapping
from importlib.machinery import SourceFileLoader
from importlib.util import cache_from_source
from typing import Any

#: Of a file that was edited so recently, bytecode is neither read nor written.
RECENT_S = 2.0

_path_stats = SourceFileLoader.path_stats


def install() -> None:
    """Makes all later imports of this process, and of those forked from it, so."""
    # Every finder makes this loader, also those of editable installs, which a path hook of ours would not reach.
    SourceFileLoader.path_stats = _fresh_path_stats  # type: ignore[assignment,method-assign]


def _fresh_path_stats(loader: SourceFileLoader, path: Any) -> Mapping[str, Any]:
    """Raises OSError when the bytecode cannot be trusted: then the loader compiles, and caches nothing."""
    stats = _path_stats(loader, path)
    if time.time() - stats["mtime"] < RECENT_S or _is_older(cache_from_source(path), stats["mtime"]):
        raise OSError("edited a moment ago, or after its bytecode was written")
    return stats


def _is_older(cached: str, source_mtime: float) -> bool:
    try:
        return os.stat(cached).st_mtime < source_mtime
    except OSError:
        return False
