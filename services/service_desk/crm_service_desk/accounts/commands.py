"""Every write on accounts as they are known here."""

from uuid import UUID

from crm_kit.database.work import UnitOfWork
from crm_kit.projections import put_newest

from crm_service_desk.accounts.model import ValueTier
from crm_service_desk.accounts.tables import account_tiers


def put_value_tier(work: UnitOfWork, account_id: UUID, value_tier: ValueTier | None, *, version: int) -> None:
    """Gather what an account is worth by a version of its scores; an older one changes nothing."""
    put_newest(work, account_tiers, {"id": account_id, "value_tier": value_tier, "version": version})
