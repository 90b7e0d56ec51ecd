"""`station product` and `station recipe`: what may be built, as the catalogue's files say it."""

import sys
from collections.abc import Iterable
from dataclasses import asdict
from functools import partial
from pathlib import Path

import click

from station.catalog.lint import Lint
from station.catalog.products import Product
from station.catalog.recipes import Recipe
from station.catalog.source import Folder
from station.cli.common import AS_JSON, DIRECTORY, exit_codes, print_json
from station.config import load_station
from station.errors import ConfigError

CATALOG = click.option(
    "--catalog",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=None,
    help="A catalogue's folder, such as a checkout; by default the station's.",
)


def _catalog(directory: Path, catalog: Path | None) -> Path:
    return catalog or load_station(directory).catalog


@click.group()
def product() -> None:
    """Products: what the rating plate says, and how this hardware is spoken to.

    \b
    Examples:
      station product new ac11            write a commented skeleton to fill in
      station product lint                name everything that is wrong, in every product
      station product show ac22           one product as the station reads it
    """


@product.command("list")
@DIRECTORY
@CATALOG
@AS_JSON
@exit_codes
def product_list(directory: Path, catalog: Path | None, *, as_json: bool) -> None:
    """List the products of the catalogue.

    \b
    Example:
      station product list --dir line3 --json
    """
    source = Folder(_catalog(directory, catalog))
    rows = [_row(source, name) for name in source.names("products")]
    if as_json:
        print_json(rows)
        return
    for row in rows:
        click.echo(f"{row['name']:20} {row.get('title') or 'can not be read: station product lint ' + row['name']}")


def _row(source: Folder, name: str) -> dict[str, str]:
    from station.catalog.products import load_product

    try:
        found = load_product(source, name)
    except ConfigError as error:
        return {"name": name, "problem": error.message}
    outlets = f"{len(found.connector)} x {found.connector[0].type} {found.connector[0].max_power_w / 1000:g} kW"
    told = f"r{found.revision:<3} {found.model:20} {found.vendor:24} {outlets:20} {', '.join(found.revisions)}"
    return {"name": name, "title": told, "digest": found.digest}


@product.command("show")
@click.argument("name")
@DIRECTORY
@CATALOG
@AS_JSON
@exit_codes
def product_show(name: str, directory: Path, catalog: Path | None, *, as_json: bool) -> None:
    """Show one product as the station reads it.

    \b
    Example:
      station product show ac22 --dir line3
    """
    from station.catalog.products import load_product

    found = load_product(Folder(_catalog(directory, catalog)), name)
    if as_json:
        print_json(asdict(found))
        return
    for line in _product_lines(found):
        click.echo(line)


def _product_lines(found: Product) -> Iterable[str]:
    yield f"{found.vendor} {found.model}: {found.name} r{found.revision}, supported until {found.support_until}"
    yield f"hardware    {', '.join(found.revisions)}, driver {found.driver}"
    yield from (f"shows       {key} = {value}" for key, value in found.variant.items())
    yield f"protocol    {found.ocpp_version}, security profile {found.security_profile}"
    for outlet in found.connector:
        rating = f"{outlet.max_current_a} A, {outlet.max_power_w / 1000:g} kW, {outlet.rotation}"
        meter = outlet.meter or "no"
        yield f"connector   {outlet.letter}: EVSE {outlet.evse}, {outlet.type}, {rating}, {meter} meter"
    yield from (f"rating      {name}: {value}" for name, value in found.ratings.items())
    yield f"parameters  {', '.join(found.configuration)}"
    yield f"flags       {', '.join(found.flags) or 'none'}"
    yield from (f"not shown   {sentence}" for sentence in found.not_shown)
    yield f"digest      {found.digest}"


@product.command("lint")
@click.argument("names", nargs=-1)
@DIRECTORY
@CATALOG
@AS_JSON
@exit_codes
def product_lint(names: tuple[str, ...], directory: Path, catalog: Path | None, *, as_json: bool) -> None:
    """Name everything that is wrong with products; with all of them by default.

    Exit code 0 when nothing is wrong, 2 otherwise.

    \b
    Example:
      station product lint ac22 --catalog ~/catalogue
    """
    from station.catalog.lint import lint_product
    from station.drivers.table import DRIVERS

    _lint(_catalog(directory, catalog), "products", names, partial(lint_product, tuple(DRIVERS)), as_json=as_json)


@product.command("new")
@click.argument("name")
@DIRECTORY
@CATALOG
@exit_codes
def product_new(name: str, directory: Path, catalog: Path | None) -> None:
    """Write the commented skeleton of a product, its profile and its recipe; nothing that exists is touched.

    \b
    Example:
      station product new ac11 --dir line3
    """
    from station.catalog.skeleton import new_product

    where = _catalog(directory, catalog)
    for path in new_product(where, name):
        click.echo(f"created {path}")
    click.echo(f"Next: fill in what is empty, then 'station product lint {name}' until nothing is wrong.")


@click.group()
def recipe() -> None:
    """Recipes: the steps that make a unit, and all that they are done with.

    \b
    Examples:
      station recipe lint                        name everything that is wrong, in every recipe
      station recipe show ac22-eu                one recipe with everything it names
      station recipe diff ac22-eu-r3 ac22-eu     what the draft changes of revision 3
    """


@recipe.command("lint")
@click.argument("names", nargs=-1)
@DIRECTORY
@CATALOG
@AS_JSON
@exit_codes
def recipe_lint(names: tuple[str, ...], directory: Path, catalog: Path | None, *, as_json: bool) -> None:
    """Name everything that is wrong with recipes and all that they name; with all of them by default.

    Exit code 0 when nothing is wrong, 2 otherwise.

    \b
    Example:
      station recipe lint ac22-eu dc60-eu --dir line3
    """
    from station.catalog.lint import lint_recipe
    from station.steps import STEPS

    _lint(_catalog(directory, catalog), "recipes", names, partial(lint_recipe, STEPS), as_json=as_json)


def _lint(catalog: Path, kind: str, names: tuple[str, ...], lint: Lint, *, as_json: bool) -> None:
    source = Folder(catalog)
    asked = names or source.names(kind)
    found = {name: lint(source, name) for name in asked}
    if as_json:
        print_json(found)
    for name, problems in () if as_json else found.items():
        click.echo(f"ok   {name}" if not problems else f"BAD  {name}: {len(problems)} found")
        for problem in problems:
            click.echo(f"     {problem}")
    if not asked:
        click.echo(f"There are no {kind} in {catalog}.", err=True)
    sys.exit(2 if any(found.values()) or not asked else 0)


@recipe.command("show")
@click.argument("name")
@DIRECTORY
@CATALOG
@AS_JSON
@exit_codes
def recipe_show(name: str, directory: Path, catalog: Path | None, *, as_json: bool) -> None:
    """Show one recipe of the catalogue with everything it names.

    \b
    Example:
      station recipe show ac22-eu --dir line3
    """
    from station.catalog.recipes import load_recipe
    from station.steps import STEPS

    found = load_recipe(Folder(_catalog(directory, catalog)), name, STEPS)
    if as_json:
        print_json(_recipe_facts(found))
        return
    for key, value in _recipe_facts(found).items():
        if key != "steps":
            click.echo(f"{key:12} {', '.join(value) if isinstance(value, list) else value}")
    for plan in found.file.step:
        options = found.options.get(plan.use)
        told = "".join(f", {key} = {value}" for key, value in vars(options).items()) if options else ""
        click.echo(f"{'step':12} {plan.use}: {plan.retries} retries, {plan.limit_seconds:g} s{told}")


def _recipe_facts(found: Recipe) -> dict[str, object]:
    return {
        "recipe": found.title,
        "product": f"{found.product.name} r{found.product.revision}",
        "firmware": f"{found.release.name}",
        "test": found.test.name,
        "ship": found.ship.name,
        "profiles": [f"{profile.name} r{profile.revision}" for profile in found.profiles],
        "label": found.file.label,
        "key": found.file.key_origin.value,
        "steps": [asdict(plan) for plan in found.file.step],
        "digest": found.digest,
    }


@recipe.command("diff")
@click.argument("old")
@click.argument("new")
@DIRECTORY
@CATALOG
@exit_codes
def recipe_diff(old: str, new: str, directory: Path, catalog: Path | None) -> None:
    """Show what differs between two recipes, with everything they name; a bundle is named as NAME-rREVISION.

    \b
    Examples:
      station recipe diff ac22-eu-r3 ac22-eu     an approved revision and the draft
      station recipe diff ac22-eu dc60-eu        two drafts
    """
    from station.catalog.difference import difference, texts
    from station.steps import STEPS

    where = _catalog(directory, catalog)
    told = difference(texts(where, old, STEPS), texts(where, new, STEPS))
    click.echo(told or f"{old} and {new} are the same.")
