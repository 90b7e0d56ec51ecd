"""How many certificates a work order may have: granted, counted on claims, and refused beyond (F-D12)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, and_, bindparam, func, insert, select

from pki.errors import RequestRefused
from pki.ledger.database import Database, now
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
            body = {"units": quota.units, "rework": quota.rework, "environment": quota.environment}
            self.audit(connection, "quota-granted", quota.work_order, profile=quota.profile, **body)

    def quotas(self) -> list[Quota]:
        """Return every quota with what is used of it, by work order."""
        newest = select(func.max(QuotaRow.id)).group_by(QuotaRow.work_order, QuotaRow.environment, QuotaRow.profile)
        with self.reading() as connection:
            rows = connection.execute(_GRANTS.where(QuotaRow.id.in_(newest)).order_by(QuotaRow.work_order)).all()
            quotas = [Quota(*row) for row in rows]
            return [replace(quota, used=_used(connection, quota.key)) for quota in quotas]

    def excess(self, connection: Connection, key: QuotaKey, more: int) -> str:
        """Return why `more` certificates would be too many; empty if they would not."""
        quota, what = _granted(connection, key), f"{key.environment} {key.profile} certificates"
        if quota is None:
            return f"work order {key.work_order} has no quota for {what}"
        if _used(connection, key) + more <= quota.units + quota.rework:
            return ""
        return f"work order {key.work_order} has used its {what}: {quota.units} and {quota.rework} for rework"

    def use(self, connection: Connection, claims: Sequence[tuple[QuotaKey, int]]) -> None:
        """Count claims, by key row, in their own transaction; those of no work order count for nothing."""
        rows, last = [], dict[QuotaKey, int]()
        for quota, key in claims:
            if quota.work_order:
                last[quota] = (last.get(quota) or _used(connection, quota)) + 1
                rows.append({**vars(quota), "number": last[quota], "key_id": key})
        if rows:
            connection.execute(_USE, rows)


_FIELDS = ("work_order", "environment", "profile", "units", "rework")


def _of(row: Any) -> Any:
    return and_(*(getattr(row, name) == bindparam(name) for name in ("work_order", "environment", "profile")))


# Statements stand ready, because SQLAlchemy takes longer to put one together than SQLite to run it.
_GRANTS = select(QuotaRow.work_order, QuotaRow.environment, QuotaRow.profile, QuotaRow.units, QuotaRow.rework)
_NEWEST = _GRANTS.where(_of(QuotaRow)).order_by(QuotaRow.id.desc()).limit(1)
_LAST_USE = select(func.max(QuotaUseRow.number)).where(_of(QuotaUseRow))
_USE = insert(QuotaUseRow)


def _granted(connection: Connection, key: QuotaKey) -> Quota | None:
    found = connection.execute(_NEWEST, vars(key)).first()
    return Quota(*found) if found else None


def _used(connection: Connection, key: QuotaKey) -> int:
    return connection.scalar(_LAST_USE, vars(key)) or 0
