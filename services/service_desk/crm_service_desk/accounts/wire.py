"""Accounts out of the messages of the customer and the scoring service."""

from uuid import UUID

from crm.customer.v1 import accounts_pb2
from crm.scoring.v1 import scores_pb2
from crm_kit.wire import id_from

from crm_service_desk.accounts.model import Account, ValueTier


def account_from(message: accounts_pb2.Account, *, version: int) -> Account:
    return Account(
        id=UUID(message.id),
        display_name=message.display_name,
        owner_id=id_from(message.owner_id),
        owner_team_id=id_from(message.owner_team_id),
        version=version,
    )


def value_tier_from(tier: "scores_pb2.ValueTierScore.Tier.ValueType") -> ValueTier | None:
    """The tier; None for one that is not known, or not known here yet."""
    known = scores_pb2.ValueTierScore.Tier.DESCRIPTOR.values_by_number.get(tier)
    name = known.name.removeprefix("TIER_") if known else ""
    return ValueTier(name) if name in ValueTier.__members__ else None
