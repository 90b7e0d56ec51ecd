"""A new product to fill in: commented files that say what each line is for."""

from pathlib import Path

from station.catalog.products import NAME
from station.errors import ConfigError

TEMPLATES = Path(__file__).resolve().parents[2] / "templates" / "products"
MARK = "NEW-PRODUCT"
"""Stands in the templates for the product's name."""


def new_product(catalog: Path, name: str) -> tuple[Path, ...]:
    """Write product, profile and recipe, and return their paths.

    Raises:
        ConfigError: The name is wrong, or one of the files exists.
    """
    if not NAME.fullmatch(name):
        raise ConfigError(
            "the name of a product is 1 to 40 lower-case letters, digits and hyphens", hint="Choose another."
        )
    files = {
        catalog / "products" / name / "product.toml": "product.toml",
        catalog / "profiles" / f"{name}.toml": "profile.toml",
        catalog / "recipes" / f"{name}.toml": "recipe.toml",
    }
    for path in files:
        if path.exists():
            raise ConfigError(f"{path} exists", hint="Choose another name, or edit what is there.")
    for path, template in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text((TEMPLATES / template).read_text().replace(MARK, name))
    return tuple(files)
