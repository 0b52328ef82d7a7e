"""The page of `--report FILE.html`: everything of a document in one file, which loads nothing from anywhere."""

import hashlib
from base64 import b64encode
from importlib.resources import files
from string import Template

from currant.bench.page import head, sections
from currant.bench.page.markup import Html, element, join, script
from currant.bench.results import Document

__all__ = ["page"]


def page(document: Document) -> bytes:
    """Returns the page, UTF-8."""
    anchors = [f"section-{number}" for number, _ in enumerate(document.sections, 1)]
    scripts = [_asset("uplot/uPlot.iife.min.js"), _asset("page.js")]
    parts = {
        "policy": _policy(scripts),
        "licence": _asset("uplot/LICENSE").strip(),
        "title": element("title", "Currant bench, " + document.started[:10]),
        "style": _asset("uplot/uPlot.min.css") + "\n" + _asset("page.css"),
        "head": head.head(document, anchors),
        "sections": join(*(sections.section(it, at) for it, at in zip(document.sections, anchors, strict=True))),
        "environment": head.environment(document),
        "scripts": join(*(script(text) for text in scripts)),
    }
    return Template(_asset("page.html")).substitute(parts).encode()


def _policy(scripts: list[str]) -> Html:
    """Returns what the browser may do for this page: run these scripts, and load nothing."""
    hashes = " ".join(f"'sha256-{b64encode(hashlib.sha256(text.encode()).digest()).decode()}'" for text in scripts)
    policy = f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src {hashes}"
    return element("meta", http_equiv="Content-Security-Policy", content=policy)


def _asset(name: str) -> str:
    return files(__package__).joinpath(name).read_text("utf-8")
