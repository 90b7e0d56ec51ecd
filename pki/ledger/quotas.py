"""How many certificates a work order may have: granted, counted on claims, and refused beyond (F-D12)."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, func, insert, select

from pki.errors import RequestRefused
from pki.ledger.database import Database, now
from pki.ledger.tables import QuotaRow, QuotaUseRow


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
            old = _granted(connection, quota.work_order, quota.environment, quota.profile)
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
            rows = connection.execute(_grants().where(QuotaRow.id.in_(newest)).order_by(QuotaRow.work_order)).all()
            quotas = [Quota(*row) for row in rows]
            return [
                Quota(**{**vars(quota), "used": _used(connection, quota.work_order, quota.environment, quota.profile)})
                for quota in quotas
            ]

    def excess(self, connection: Connection, work_order: str, environment: str, profile: str) -> str:
        """Return why one more certificate would be too many; empty if it would not."""
        quota = _granted(connection, work_order, environment, profile)
        if quota is None:
            return f"work order {work_order} has no quota for {environment} {profile} certificates"
        if _used(connection, work_order, environment, profile) < quota.units + quota.rework:
            return ""
        allowed = f"{quota.units} and {quota.rework} for rework"
        return f"work order {work_order} has used its {environment} {profile} certificates: {allowed}"

    def use(self, connection: Connection, work_order: str, environment: str, profile: str, key: int) -> None:
        """Count one claim, in its own transaction."""
        number = _used(connection, work_order, environment, profile) + 1
        values = {"work_order": work_order, "environment": environment, "profile": profile, "number": number}
        connection.execute(insert(QuotaUseRow).values(**values, key_id=key))


_FIELDS = ("work_order", "environment", "profile", "units", "rework")


def _grants() -> Any:
    return select(QuotaRow.work_order, QuotaRow.environment, QuotaRow.profile, QuotaRow.units, QuotaRow.rework)


def _granted(connection: Connection, work_order: str, environment: str, profile: str) -> Quota | None:
    found = connection.execute(
        _grants()
        .where(QuotaRow.work_order == work_order, QuotaRow.environment == environment, QuotaRow.profile == profile)
        .order_by(QuotaRow.id.desc())
        .limit(1)
    ).first()
    return Quota(*found) if found else None


def _used(connection: Connection, work_order: str, environment: str, profile: str) -> int:
    numbers = select(func.max(QuotaUseRow.number)).where(
        QuotaUseRow.work_order == work_order,
        QuotaUseRow.environment == environment,
        QuotaUseRow.profile == profile,
    )
    return connection.scalar(numbers) or 0
