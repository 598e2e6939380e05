"""Which accounts are restricted by rule: those of some kinds, and of some value tiers."""

from dataclasses import dataclass
from datetime import datetime

from crm_customer.records.account_kinds import Kind, ValueTier


@dataclass(frozen=True, slots=True)
class AccountRestriction:
    """Fields as in the contract; where neither kinds nor tiers are named nothing is restricted by rule."""

    kinds: tuple[Kind, ...] = ()
    value_tiers: tuple[ValueTier, ...] = ()
    version: int = 0
    update_time: datetime | None = None

    def takes(self, kind: Kind, value_tier: ValueTier | None) -> bool:
        """Whether an account of this kind and tier is to be restricted: each that is named has to fit."""
        if not self.kinds and not self.value_tiers:
            return False
        return (not self.kinds or kind in self.kinds) and (not self.value_tiers or value_tier in self.value_tiers)
