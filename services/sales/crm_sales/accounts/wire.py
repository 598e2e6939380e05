"""What an account is worth out of the messages of the scoring service."""

from crm.scoring.v1 import scores_pb2

from crm_sales.accounts.model import ValueTier


def value_tier_from(tier: "scores_pb2.ValueTierScore.Tier.ValueType") -> ValueTier | None:
    """The tier; None for one that is not known, or not known here yet."""
    known = scores_pb2.ValueTierScore.Tier.DESCRIPTOR.values_by_number.get(tier)
    name = known.name.removeprefix("TIER_") if known else ""
    return ValueTier(name) if name in ValueTier.__members__ else None
