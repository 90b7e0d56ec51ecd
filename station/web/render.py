"""The page and its pieces as HTML, from the templates in `templates/pages`."""

from pathlib import Path
from types import MappingProxyType

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from station.clock import utc_now
from station.model import LineView
from station.web import look

TEMPLATES = Path(__file__).resolve().parents[2] / "templates" / "pages"


class Renderer:
    """Draws a line; every text from outside is escaped by the templates."""

    def __init__(self, title: str, boot: str) -> None:
        """Draw for one station and one start of the daemon (`boot`)."""
        self._title = title
        self._boot = boot
        self._pages = Environment(
            loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True
        )
        self._pages.globals["look"] = look
        self._pages.globals["SLOT_LOOKS"] = MappingProxyType(look.SLOT_LOOKS)

    def shape(self, view: LineView) -> str:
        """Name what a page must be drawn anew for: another start of the daemon, or other slots."""
        return "|".join([self._boot, *(slot.name for slot in view.slots)])

    def page(self, view: LineView, event_id: str) -> str:
        """Return the whole page."""
        pieces = {name: self.piece(name, value) for name, value in self.pieces(view).items()}
        names = {"title": self._title, "view": view, "pieces": pieces, "event_id": event_id, "shape": self.shape(view)}
        return self._pages.get_template("page.html").render(names)

    def pieces(self, view: LineView) -> dict[str, object]:
        """Split a line into the values its pieces are drawn from; equal values draw equal pieces."""
        tiles: dict[str, object] = {f"slot-{index}": slot for index, slot in enumerate(view.slots)}
        return {**tiles, "band": look.verdicts(view), "head": look.summary(view), "prompt": look.prompt(view)}

    def piece(self, name: str, value: object) -> str:
        """Return one piece of the page."""
        template = "slot.html" if name.startswith("slot-") else f"{name}.html"
        return self._pages.get_template(template).render(it=value, now=utc_now())

    def beat(self, view: LineView) -> str:
        """Return the heartbeat: the station's clock, and the shape the page must have."""
        return self._pages.get_template("beat.html").render(shape=self.shape(view), now=utc_now())
