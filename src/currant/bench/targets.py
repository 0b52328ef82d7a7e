"""The files that results go to: checked before anything runs, written at the end."""

import os
from collections.abc import Mapping
from pathlib import Path

from currant.bench import csvs, results
from currant.bench.page import page
from currant.bench.plan import BenchFailed
from currant.bench.results import Document
from currant.errors import ConfigurationError


class Targets:
    """The files by the option that named them."""

    def __init__(self, files: Mapping[str, Path]) -> None:
        self._files = files

    def write(self, document: Document) -> None:
        """Raises BenchFailed when a file cannot be written after all."""
        for option, file in self._files.items():
            try:
                file.write_bytes(_content(option, document))
            except OSError as error:
                raise BenchFailed(f"{option}: {file} cannot be written: {error.strerror}") from None


def check_targets(files: Mapping[str, Path | None]) -> Targets:
    """Returns those that are given. Raises ConfigurationError when one could not be written after all the work."""
    given = {option: file for option, file in files.items() if file is not None}
    seen: dict[Path, str] = {}
    for option, file in given.items():
        _check(option, file)
        other = seen.setdefault(file.resolve(), option)
        if other != option:
            raise ConfigurationError(f"{other} and {option} must name different files, got {file}")
    return Targets(given)


def _content(option: str, document: Document) -> bytes:
    match option:
        case "--json":
            return results.encode(document)
        case "--csv":
            return csvs.rows(document).encode()
        case _:
            return page(document)


def _check(option: str, file: Path) -> None:
    folder = file.absolute().parent
    if not folder.is_dir():
        raise ConfigurationError(f"{option} must name a file in a folder that exists, got {file}")
    if file.is_dir():
        raise ConfigurationError(f"{option} must name a file, got the folder {file}")
    if not os.access(file if file.exists() else folder, os.W_OK):
        raise ConfigurationError(f"{option} must name a file that can be written, got {file}")
