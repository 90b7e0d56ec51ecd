"""SteVe's pages, which are HTML: what stands in their forms, tables and error lists. They are untrusted."""

from contextlib import suppress
from dataclasses import dataclass, field
from html.parser import HTMLParser


@dataclass
class Page:
    """What a page says."""

    values: dict[str, str] = field(default_factory=dict)
    """By the names of inputs, text areas and selections."""
    hints: dict[str, str] = field(default_factory=dict)
    """Placeholders of inputs."""
    links: dict[str, str] = field(default_factory=dict)
    """Text of each link -> where it leads."""
    errors: list[str] = field(default_factory=list)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.page = Page()
        self._select = self._area = self._link = ""
        self._text = ""
        self._depth = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        name = given.get("name", "")
        self._text = ""
        match tag:
            case "input" if name:
                self.page.values.setdefault(name, given.get("value", ""))
                self.page.hints.setdefault(name, given.get("placeholder", ""))
            case "select":
                self._select = name
            case "option" if self._select and "selected" in given:
                self.page.values[self._select] = given.get("value", "")
            case "textarea":
                self._area = name
            case "a":
                self._link = given.get("href", "")
            case "div" if given.get("class") == "error" or self._depth:
                self._depth += 1

    def handle_data(self, data: str) -> None:
        self._text += data

    def handle_endtag(self, tag: str) -> None:
        match tag:
            case "select":
                self._select = ""
            case "textarea" if self._area:
                self.page.values[self._area] = self._text.strip()
            case "a":
                self.page.links.setdefault(self._text.strip(), self._link)
            case "li" if self._depth:
                self.page.errors.append(self._text.strip())
            case "div" if self._depth:
                self._depth -= 1


def read_page(content: bytes) -> Page:
    """Return what a page says; what is no HTML says nothing."""
    reader = _Reader()
    # The parser asserts that some broken declarations do not come; what was read before is all there is then.
    with suppress(AssertionError):
        reader.feed(content.decode("utf-8", "replace"))
    return reader.page
