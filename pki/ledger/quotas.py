"""How many certificates a work order may have: granted, counted on claims, and refused beyond (F-D12)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any

from sqlalchemy import Connection, Select, bindparam, func, insert, literal_column, select

from pki.errors import RequestRefused
from pki.ledger.database import Database, Fact, now
from pki.ledger.prepared import Prepared, adding
from pki.ledger.tables import QuotaRow, QuotaUseRow


@dataclass(frozen=True)
class QuotaKey:
    """What is counted: certificates of one profile in one environment, for one work order."""

    work_order: str
    environment: str
    profile: str


@dataclass(frozen=True)
class Quota:
    """What one work order may have of one profile in one environment."""

    work_order: str
    environment: str
    profile: str
    units: int
    rework: int
    used: int = 0

    @property
    def key(self) -> QuotaKey:
        """Return what is counted."""
        return QuotaKey(self.work_order, self.environment, self.profile)

    @property
    def left(self) -> int:
        """Return how many may still be issued; negative after a quota was lowered."""
        return self.units + self.rework - self.used


def excess(key: QuotaKey, quota: Quota | None, more: int) -> str:
    """Return why `more` certificates would be too many; empty if they would not."""
    what = f"{key.environment} {key.profile} certificates"
    if quota is None:
        return f"work order {key.work_order} has no quota for {what}"
    if more <= quota.left:
        return ""
    return f"work order {key.work_order} has used its {what}: {quota.units} and {quota.rework} for rework"


class Quotas(Database):
    """Grants and uses."""

    def grant(self, quota: Quota) -> None:
        """Set what a work order may have; the same grant again changes nothing.

        Raises:
            RequestRefused: A number is negative, or the work order has no name.
        """
        if not quota.work_order or min(quota.units, quota.rework) < 0:
            raise RequestRefused("a quota needs a work order and numbers from 0 up")
        with self.writing() as connection:
            old = _granted(connection, quota.key)
            if old is not None and (old.units, old.rework) == (quota.units, quota.rework):
                return
            values = {name: getattr(quota, name) for name in _FIELDS}
            connection.execute(insert(QuotaRow).values(**values, at=now()))
            body: dict[str, Fact] = {"units": quota.units, "rework": quota.rework, "environment": quota.environment}
            self.audit(connection, "quota-granted", quota.work_order, profile=quota.profile, **body)

    def quotas(self) -> list[Quota]:
        """Return every quota with what is used of it, by work order."""
        newest = select(func.max(QuotaRow.id)).group_by(QuotaRow.work_order, QuotaRow.environment, QuotaRow.profile)
        with self.reading() as connection:
            rows = connection.execute(_QUOTAS.where(QuotaRow.id.in_(newest)).order_by(QuotaRow.work_order))
            return [Quota(*row) for row in rows]

    def granted(self, connection: Connection, keys: Iterable[QuotaKey]) -> dict[QuotaKey, Quota | None]:
        """Return the quotas of keys as they are in the caller's transaction; None where nothing was granted."""
        return {key: _granted(connection, key) for key in keys}

    def use(
        self, connection: Connection, claims: Iterable[tuple[QuotaKey, int]], quotas: Mapping[QuotaKey, Quota | None]
    ) -> None:
        """Count claims, by key row, in their own transaction, after what was used when it began."""
        numbers = {key: count(quota.used + 1) for key, quota in quotas.items() if quota}
        _USE.run_each(connection, [{**vars(key), "number": next(numbers[key]), "key_id": row} for key, row in claims])


_KEY = ("work_order", "environment", "profile")
_FIELDS = (*_KEY, "units", "rework")
_USED = select(func.max(QuotaUseRow.number)).where(
    *(getattr(QuotaUseRow, name) == getattr(QuotaRow, name) for name in _KEY)
)
_QUOTAS: Select[*tuple[Any, ...]] = select(
    *(getattr(QuotaRow, name) for name in _FIELDS),
    func.coalesce(_USED.correlate(QuotaRow).scalar_subquery(), literal_column("0")),
)
_NEWEST = Prepared(
    _QUOTAS.where(*(getattr(QuotaRow, name) == bindparam(name) for name in _KEY)).order_by(QuotaRow.id.desc()).limit(1)
)
_USE = adding(QuotaUseRow)


def _granted(connection: Connection, key: QuotaKey) -> Quota | None:
    found = _NEWEST.run(connection, vars(key)).fetchone()
    return Quota(*found) if found else None
