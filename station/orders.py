"""Create work orders from the catalogue: what an order builds is pinned by the recipe's digest when it is made."""

import re
from dataclasses import dataclass

from pki.errors import PkiError
from pki.issue import grant_quota
from station.catalog.recipes import load_recipe
from station.config import StationConfig
from station.errors import ConfigError
from station.records import SerialBlock, WorkOrder, open_records
from station.steps import STEPS
from station.steps.credentials import translated

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,39}")


@dataclass(frozen=True)
class OrderOptions:
    """What a work order is asked for."""

    recipe: str
    quantity: int
    prefix: str
    first: int = 1
    customer: str = ""
    rework: int = 0
    """Certificates beyond the quantity, for units that need another key."""


def create_order(config: StationConfig, name: str, options: OrderOptions) -> WorkOrder:
    """Create a work order and grant its quota of certificates; asking again for the same one changes nothing.

    Raises:
        ConfigError: Name or recipe is wrong, or the order or its serials exist with other content.
        ServiceError: Records or ledger can't be written.
    """
    if not NAME.fullmatch(name):
        raise ConfigError("the name of a work order is 1 to 40 letters, digits, dots, slashes, hyphens and underscores")
    recipe = load_recipe(config.catalog, options.recipe, STEPS)
    order = WorkOrder(
        id=name,
        product=recipe.product.name,
        recipe=recipe.file.name,
        recipe_revision=recipe.file.revision,
        recipe_digest=recipe.digest,
        quantity=options.quantity,
        customer=options.customer,
        serials=SerialBlock(options.prefix, options.first, options.first + options.quantity - 1),
        test_environment=recipe.test.name,
        ship_environment=recipe.ship.name,
    )
    with open_records(config.database_url, config.station.id) as records:
        if records.order(name) != order:
            records.create_order(order)
    try:
        grant_quota(config.pki_directory, name, options.quantity, options.rework)
    except PkiError as error:
        raise translated(error) from error
    return order
