"""Release bundles at this station: judged by its own approvers and its own record, and what a withdrawal stops."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from station.catalog.approvals import BundleState, Judgement, Rules, judge
from station.catalog.bundle import (
    BUNDLE_NAME,
    Bundle,
    Change,
    as_text,
    bundle_names,
    differences,
    files_beside,
    load_bundle,
    parse_bundle,
)
from station.catalog.environments import load_environment
from station.catalog.recipes import Recipe, load_recipe
from station.catalog.restrictions import Restriction, RestrictionKind, refusal
from station.catalog.signatures import load_approvers
from station.catalog.source import Folder
from station.clock import utc_now
from station.config import StationConfig
from station.errors import ConfigError
from station.model import Approval, Environment
from station.records import AffectedUnit, BundleRow, Records, UnitState, WorkOrder
from station.records.values import ONCE_RELEASED
from station.steps import STEPS

MOST_SHOWN = 4000
"""Characters of a difference that a message quotes."""
ASK = "Ask the approvers: 'station bundle check' shows what is missing."


@dataclass(frozen=True)
class Assessment:
    """One bundle of the catalogue or of the record, and whether it may build."""

    name: str
    judgement: Judgement
    bundle: Bundle | None = None
    """None where the document can't be read."""
    changes: tuple[Change, ...] = ()
    """From what the records have of this revision to what lies in the catalogue."""


def assess(config: StationConfig, records: Records, name: str) -> Assessment:
    """Judge a bundle of the catalogue.

    Raises:
        ConfigError: The file of approvers is wrong, or OpenSSH is missing: nothing can be judged.
    """
    rules = rules_of(config, records)
    try:
        bundle = load_bundle(config.catalog, name)
        beside = files_beside(config.catalog, name)
    except ConfigError as error:
        return Assessment(name, Judgement(BundleState.REFUSED, error.message, Approval(name)))
    recorded = records.bundle_of(bundle.content.name, bundle.content.revision)
    if recorded is not None and recorded.digest != bundle.digest:
        changes = differences(_of_record(config, recorded), bundle)
        sentence = f"Bundle {bundle.title} was edited after it was approved."
        return Assessment(name, Judgement(BundleState.REFUSED, sentence, Approval(bundle.title)), bundle, changes)
    return Assessment(name, judge(bundle, beside, rules), bundle)


def assess_all(config: StationConfig, records: Records) -> tuple[Assessment, ...]:
    """Judge all bundles, those of the catalogue first; those that only the records have, by what they have.

    Raises:
        ConfigError: The file of approvers is wrong, or OpenSSH is missing.
    """
    names = bundle_names(config.catalog)
    found = tuple(assess(config, records, name) for name in names)
    rules = rules_of(config, records)
    gone = (row for row in records.bundles() if f"{row.name}-r{row.revision}" not in names)
    return found + tuple(_assess_record(_of_record(config, row), row, rules) for row in gone)


def approved(config: StationConfig, records: Records, name: str) -> Recipe:
    """Return the recipe of a bundle that may build, after every check, and keep the bundle in the records.

    Raises:
        ConfigError: It is unapproved, edited, expired or withdrawn, or a file of its firmware was replaced.
    """
    found = assess(config, records, name)
    if found.bundle is None or not found.judgement.usable:
        quoted = f"\n{as_text(found.changes)[:MOST_SHOWN]}" if found.changes else ""
        raise ConfigError(f"{found.judgement.sentence}{quoted}", hint=_hint(found.judgement.state))
    found.bundle.check_binaries()
    recipe = replace(found.bundle.recipe(STEPS), approval=found.judgement.approval)
    refuse_restricted(recipe, records.restrictions())
    keep(config, records, found.bundle)
    return recipe


def draft(config: StationConfig, records: Records, name: str) -> Recipe:
    """Return a recipe as the catalogue holds it now; `refuse_draft` decides whether a factory may build it.

    Raises:
        ConfigError: The recipe is wrong, or its firmware was withdrawn.
    """
    recipe = load_recipe(Folder(config.catalog), name, STEPS)
    refuse_restricted(recipe, records.restrictions())
    return replace(recipe, approval=Approval(f"draft of {recipe.title}", recipe.digest, development=True))


def refuse_draft(recipe: Recipe, *, development: bool) -> None:
    """Refuse a draft in a factory that issues for the field: what decides is its CAs, no setting (F-K7).

    Raises:
        ConfigError: The recipe is a draft, and the factory's CAs are of production.
    """
    if recipe.approval.development and not development:
        message = f"recipe {recipe.title} is a draft that nobody approved, and this factory's CAs are of production"
        raise ConfigError(message, hint="Build from an approved bundle, or in a development factory.")


def ordered(config: StationConfig, records: Records, order: WorkOrder) -> Recipe:
    """Return the recipe that a work order was made for, as it may be built now; a draft is for `refuse_draft`.

    Raises:
        ConfigError: It may not be built, or is not the content that the order was made for (F-A1).
    """
    recipe = approved(config, records, order.bundle) if order.bundle else draft(config, records, order.recipe)
    if order.recipe_digest != recipe.digest:
        message = f"work order {order.id} was made for another content of {order.bundle or order.recipe}"
        raise ConfigError(message, hint="Restore that content, or create a new order.")
    return recipe


def ship_cpms(config: StationConfig, records: Records, order: WorkOrder) -> str:
    """Return the CPMS that the units of an order belong to, whether the order may still be built or not.

    Raises:
        ConfigError: What the order was made from can't be read any more.
    """
    match = BUNDLE_NAME.fullmatch(order.bundle)
    row = records.bundle_of(match[1], int(match[2])) if match else None
    if row is not None:
        return _of_record(config, row).recipe(STEPS).ship.cpms
    return load_environment(Folder(config.catalog), order.ship_environment, Environment.SHIP).cpms


def refuse_restricted(recipe: Recipe, restrictions: Iterable[Restriction]) -> None:
    """Refuse a recipe whose bundle or firmware was withdrawn, or whose firmware is below the minimum.

    Raises:
        ConfigError: It was; the message says why.
    """
    reason = refusal(recipe, restrictions)
    if reason:
        raise ConfigError(reason, hint="Ask the process engineer for a bundle that may be built.")


def keep(config: StationConfig, records: Records, bundle: Bundle) -> BundleRow:
    """Keep a bundle with what lies beside it in the records, where an edit of it will be seen.

    Raises:
        ConfigError: The revision is recorded with another content.
    """
    beside = files_beside(config.catalog, bundle.name)
    return records.keep_bundle(bundle.content.name, bundle.content.revision, bundle.document, beside)


def withdraw(records: Records, digest: str, who: str, reason: str) -> tuple[AffectedUnit, ...]:
    """Stop a bundle for good, also in orders that run, and return the units that were built from it.

    Raises:
        ConfigError: Name or reason is missing.
    """
    return records.affected(records.restrict(Restriction(RestrictionKind.BUNDLE, digest, "", reason, who)))


def effect(units: Iterable[AffectedUnit]) -> str:
    """Return what a withdrawal means for units, in one sentence."""
    states = [unit.state for unit in units]
    shipped = sum(state in ONCE_RELEASED for state in states)
    work = states.count(UnitState.RESERVED)
    return f"It stops {work} unit(s) in work; {shipped} were released before."


def before(config: StationConfig, records: Records, bundle: Bundle) -> Bundle | None:
    """Return the revision before a bundle, from the catalogue or else from the records; None where there is none.

    Raises:
        ConfigError: It is not to be found.
    """
    digest = bundle.content.previous
    if not digest:
        return None
    earlier = f"{bundle.content.name}-r{bundle.content.revision - 1}"
    if earlier in bundle_names(config.catalog) and (found := load_bundle(config.catalog, earlier)).digest == digest:
        return found
    recorded = records.bundle(digest)
    if recorded is None:
        raise ConfigError(f"the revision before {bundle.title} is not here", hint="Name the bundle to compare with.")
    return _of_record(config, recorded)


def digest_of(config: StationConfig, records: Records, name: str) -> str:
    """Return the digest of a bundle by its name, from the records or the catalogue.

    Raises:
        ConfigError: There is no such bundle.
    """
    match = BUNDLE_NAME.fullmatch(name)
    recorded = records.bundle_of(match[1], int(match[2])) if match else None
    return recorded.digest if recorded else load_bundle(config.catalog, name).digest


def rules_of(config: StationConfig, records: Records) -> Rules:
    """Return what this station demands of a bundle now.

    Raises:
        ConfigError: The file of approvers is missing or ambiguous.
    """
    approvers = load_approvers(config.approvers)
    return Rules(approvers, config.station.approvals, records.restrictions(), utc_now())


def _of_record(config: StationConfig, row: BundleRow) -> Bundle:
    return parse_bundle(row.document, config.catalog, f"records: bundle {row.name} r{row.revision}")


def _assess_record(bundle: Bundle, row: BundleRow, rules: Rules) -> Assessment:
    found = judge(bundle, row.files, rules)
    if found.usable:
        sentence = f"{found.sentence} It is no longer in the catalogue."
        found = replace(found, state=BundleState.REFUSED, sentence=sentence)
    return Assessment(bundle.name, found, bundle)


def _hint(state: BundleState) -> str:
    match state:
        case BundleState.WITHDRAWN:
            return "Ask the process engineer for another bundle."
        case BundleState.EXPIRED:
            return "Make a new revision and have it approved."
        case BundleState.REFUSED:
            return "Restore the bundle as it was approved, or make a new revision."
    return ASK
