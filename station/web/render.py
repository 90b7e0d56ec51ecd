"""The operator's page and its pieces as HTML, in one language, from the templates in `templates/pages`."""

from types import MappingProxyType

from station.clock import utc_now
from station.model import LineView
from station.version import software_version
from station.web import look
from station.web.language import Language
from station.web.paper import Papers, templates


class Renderer:
    """Draws a line; every text from outside is escaped by the templates."""

    def __init__(self, papers: Papers, language: Language) -> None:
        """Draw for one station and readers of one language."""
        self._title = papers.title
        self._language = language
        self._pages = templates(language)
        self._pages.globals.update(look=look, languages=papers.languages.all, here="/")
        self._pages.globals["SLOT_LOOKS"] = MappingProxyType(look.SLOT_LOOKS)

    def shape(self, view: LineView) -> str:
        """Name what a page must be drawn anew for: other software, another title or language, or other slots.

        Not for another start of the daemon, as a browser that loads while the station dies shows its own page for good.
        """
        return "|".join([software_version(), self._title, self._language.code, *(slot.name for slot in view.slots)])

    def page(self, view: LineView, event_id: str) -> str:
        """Return the whole page."""
        pieces = {name: self.piece(name, value) for name, value in self.pieces(view).items()}
        names = {"title": self._title, "view": view, "pieces": pieces, "event_id": event_id, "shape": self.shape(view)}
        return self._pages.get_template("page.html").render(names)

    def pieces(self, view: LineView) -> dict[str, object]:
        """Split a line into the values its pieces are drawn from; equal values draw equal pieces."""
        tiles: dict[str, object] = {f"slot-{index}": slot for index, slot in enumerate(view.slots)}
        told = {"head": look.summary(view), "prompt": look.prompt(view), "echo": (view.echo, view.echoes)}
        return {**tiles, "band": look.verdicts(view), **told}

    def piece(self, name: str, value: object) -> str:
        """Return one piece of the page."""
        template = "slot.html" if name.startswith("slot-") else f"{name}.html"
        return self._pages.get_template(template).render(it=value, now=utc_now())

    def beat(self, view: LineView) -> str:
        """Return the heartbeat: the station's clock, and the shape the page must have."""
        return self._pages.get_template("beat.html").render(shape=self.shape(view), now=utc_now())
