"""The bundles of this station as the screen *Releases* shows them."""

from station.catalog.approvals import BundleState
from station.catalog.bundle import Bundle, Change, differences
from station.config import StationConfig
from station.errors import ConfigError
from station.records import Records, WorkOrder
from station.releases import Assessment, assess_all, effect, withdraw
from station.steps import STEPS
from station.web.bundles import BundleUse, BundleView

UNKNOWN = "not readable"


class Shelf:
    """All bundles, judged anew at each look: a signature may have come, or a withdrawal."""

    def __init__(self, config: StationConfig, records: Records) -> None:
        """Look at one station."""
        self._config, self._records = config, records

    def views(self) -> tuple[BundleView, ...]:
        """Return all bundles that have a document, the newest first.

        Raises:
            ConfigError: The file of approvers is wrong, or OpenSSH is missing.
        """
        orders = self._records.orders()
        found = [self._view(one, one.bundle, orders) for one in self._assessed() if one.bundle is not None]
        return tuple(sorted(found, key=lambda view: (view.created, view.revision), reverse=True))

    def changes(self, digest: str) -> tuple[Change, ...] | None:
        """Return what changed since the revision before, or since the record where the bundle was edited."""
        assessed = {one.bundle.digest: one for one in self._assessed() if one.bundle is not None}
        found = assessed.get(digest)
        if found is None or found.bundle is None:
            return None
        before = assessed.get(found.bundle.content.previous)
        return found.changes or differences(before.bundle if before else None, found.bundle)

    def withdraw(self, digest: str, who: str, reason: str) -> str:
        """Stop a bundle for good and return what that stops, in one sentence.

        Raises:
            ConfigError: There is no such bundle.
        """
        title = next((one.bundle.title for one in self._assessed() if one.bundle and one.bundle.digest == digest), "")
        if not title:
            raise ConfigError("there is no such bundle", hint="Look at the list again.")
        return f"{title} is withdrawn. {effect(withdraw(self._records, digest, who, reason))}"

    def _assessed(self) -> tuple[Assessment, ...]:
        return assess_all(self._config, self._records)

    def _view(self, found: Assessment, bundle: Bundle, orders: tuple[WorkOrder, ...]) -> BundleView:
        content, judgement = bundle.content, found.judgement
        product, recipe, firmware = _contents(bundle)
        return BundleView(
            name=content.name,
            revision=content.revision,
            digest=bundle.digest,
            recipe=recipe,
            product=product,
            firmware=firmware,
            author=content.author,
            approvers=judgement.approval.approvers,
            created=content.created,
            expires=content.expires,
            state=judgement.state,
            sentence="" if judgement.state is BundleState.USABLE else judgement.sentence,
            previous=content.previous,
            uses=tuple(self._use(order) for order in orders if order.recipe_digest == bundle.digest),
        )

    def _use(self, order: WorkOrder) -> BundleUse:
        counts = self._records.counts(order.id)
        return BundleUse(order.id, order.state.value, counts.released, counts.quantity)


def _contents(bundle: Bundle) -> tuple[str, str, str]:
    """Return product, recipe and firmware by name and revision, also of a bundle that this version can't load."""
    try:
        recipe = bundle.recipe(STEPS)
    except ConfigError:
        return UNKNOWN, bundle.content.recipe, UNKNOWN
    return f"{recipe.product.name} r{recipe.product.revision}", recipe.title, recipe.file.firmware
