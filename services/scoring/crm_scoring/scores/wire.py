"""Scores between protobuf and entity."""

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from crm.scoring.v1 import events_pb2
from crm.scoring.v1 import scores_pb2 as pb
from crm_kit.etags import etag_of
from crm_kit.money import format_amount
from crm_kit.wire import EnumNames, id_text, timestamp

from crm_scoring.facts.model import day_of
from crm_scoring.scores.model import Scores
from crm_scoring.scores.rfm import RfmSegment
from crm_scoring.scores.value_tier import ValueTier

SEGMENTS = EnumNames(pb.RfmScore.Segment, "SEGMENT_", RfmSegment)
TIERS = EnumNames(pb.ValueTierScore.Tier, "TIER_", ValueTier)


def scores_to_pb(
    scores: Scores, compute_time: datetime | None, *, display_name: str, owner_id: UUID | None
) -> pb.AccountScores:
    return pb.AccountScores(
        account_id=str(scores.account_id),
        account_display_name=display_name,
        account_owner_id=id_text(owner_id),
        rfm=rfm_to_pb(scores, compute_time),
        value_tier=pb.ValueTierScore(
            value=amount_text(scores.contribution, scores.currency_code),
            currency_code=scores.currency_code,
            band=TIERS.wire(scores.tier),
            reasons=part_reasons(scores),
            unknown_reason=scores.tier_unknown_reason,
        ),
        compute_time=timestamp(compute_time),
        etag=etag_of(scores.version),
    )


def rfm_to_pb(scores: Scores, compute_time: datetime | None) -> pb.RfmScore:
    reasons = scores.rfm_reasons(day_of(compute_time)) if compute_time else ()
    return pb.RfmScore(
        value=scores.rfm,
        band=SEGMENTS.wire(scores.segment),
        reasons=[pb.ScoreReason(label=label, contribution=str(quintile)) for label, quintile in reasons],
        unknown_reason=scores.rfm_unknown_reason,
    )


def part_reasons(scores: Scores) -> list[pb.ScoreReason]:
    return [
        pb.ScoreReason(label=part.name, contribution=amount_text(part.amount, scores.currency_code))
        for part in scores.parts
    ]


def amount_text(amount: Decimal, currency_code: str) -> str:
    return format_amount(amount, currency_code) if currency_code else "0"


def value_tier_changed(scores: Scores, old: ValueTier) -> events_pb2.ValueTierChanged:
    return events_pb2.ValueTierChanged(
        account_id=str(scores.account_id),
        old_tier=TIERS.wire(old),
        new_tier=TIERS.wire(scores.tier),
        reasons=part_reasons(scores),
    )
