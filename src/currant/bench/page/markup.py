"""HTML that cannot be broken by what it shows: text is escaped, unless it came from here."""

import html
from collections.abc import Iterable, Mapping, Sequence
from itertools import zip_longest


class Html(str):
    """Markup that is safe to write out as it is. Only the functions of this module make it."""

    __slots__ = ()


#: What may stand in an element: text, which is escaped; markup; None, which is nothing.
Content = str | Html | None
Value = str | int | float | None

#: Elements without content and end.
_VOID = {"br", "hr", "meta", "link"}


def element(name: str, *content: Content, **attributes: Value) -> Html:
    """Returns `<name …>content</name>`.

    Args:
        attributes: values are escaped; True is the bare name, None and False leave it out. `class_` is `class`, and
            `aria_label` is `aria-label`.
    """
    head = name + _attributes(attributes)
    return Html(f"<{head}>") if name in _VOID else Html(f"<{head}>{join(*content)}</{name}>")


def join(*content: Content) -> Html:
    """Returns the parts one after the other, text escaped."""
    return Html("".join(each if isinstance(each, Html) else html.escape(each) for each in content if each is not None))


def script(content: str, **attributes: str) -> Html:
    """Returns a script's element; its content cannot be escaped. `type="application/json"` makes it data."""
    if attributes.get("type") == "application/json":
        # In JSON this character stands in strings only, where it has another spelling; here it could end the element.
        content = content.replace("<", r"\u003c")
    assert "</script" not in content.lower(), "would end the script"
    assert "<!--" not in content, "would hide the script's end"
    return Html(f"<script{_attributes(attributes)}>{content}</script>")


def table(head: Sequence[str], rows: Iterable[Sequence[Content]], *, caption: str) -> Html:
    """Returns a table, columns of numbers to the right. Where it is too wide it scrolls sideways, in itself.

    Args:
        head: empty where the columns speak for themselves.
        caption: what it is, for who cannot see it.
    """
    body = list(rows)
    right = [_of_numbers([row[at] for row in body]) for at in range(len(body[0]))] if body else [False] * len(head)
    heads = [
        element("th", text, scope="col", class_="n" if number else None)
        for text, number in zip_longest(head, right[: len(head)])
    ]
    lines = [element("tr", *(_cell(cell, number) for cell, number in zip(row, right, strict=True))) for row in body]
    content = [element("thead", element("tr", *heads)) if head else None, element("tbody", *lines)]
    return element(
        "div",
        element("table", *content, aria_label=caption),
        class_="wide",
        tabindex=0,
        role="region",
        aria_label=caption,
    )


def _cell(content: Content, number: bool) -> Html:
    return element("td", content, class_="n" if number else None)


def _of_numbers(cells: list[Content]) -> bool:
    texts = [cell for cell in cells if cell]
    return bool(texts) and all(not isinstance(text, Html) and looks_like_number(text) for text in texts)


def looks_like_number(text: str) -> bool:
    """Returns whether the text begins with a figure, as `1,234/s` or `−3 %` do: such cells stand to the right."""
    return text.lstrip("−-+±≤≥<>~ ")[:1].isdigit() or text in ("—", "–", "-")


def _attributes(attributes: Mapping[str, Value]) -> str:
    text = ""
    for key, value in attributes.items():
        name = key.rstrip("_").replace("_", "-")
        if value is True:
            text += f" {name}"
        elif value is not None and value is not False:
            text += f' {name}="{html.escape(str(value))}"'
    return text
