"""What came out, for people."""

from rich.console import Console

from currant.bench.results import Document
from currant.bench.terminal import show_document


def show(document: Document, console: Console) -> None:
    """Prints the document."""
    show_document(document, console)
