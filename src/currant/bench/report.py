"""What came out, for people."""

from rich.console import Console

from currant.bench.results import FIGURES, Document


def show(document: Document, console: Console) -> None:
    """Prints the document."""
    for section in document.sections:
        console.print(f"{section.mode}: {section.answer}", highlight=False)
        for name, value in section.figures.items():
            console.print(f"  {FIGURES[name].meaning}: {value:,.6g} {FIGURES[name].unit}", highlight=False)
