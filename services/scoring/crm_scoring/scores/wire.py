"""Scores between protobuf and entity."""

from collections.abc import Sequence
from datetime import date

from crm.scoring.v1 import events_pb2
from crm.scoring.v1 import scores_pb2 as pb
from crm_kit.etags import etag_of
from crm_kit.money import Money
from crm_kit.wire import EnumNames, id_text, timestamp
from google.protobuf.message import Message

from crm_scoring.scores.model import AccountScores, ReasonCode, RfmScore, ScoreReason, ValueTierScore
from crm_scoring.scores.rfm import RfmSegment
from crm_scoring.scores.value_tier import ValueTier
from crm_scoring.wire import money_to_pb

SEGMENTS = EnumNames(pb.RfmScore.Segment, "SEGMENT_", RfmSegment)
RFM_UNKNOWN = EnumNames(pb.RfmScore.UnknownReason, "UNKNOWN_REASON_", str)
TIERS = EnumNames(pb.ValueTierScore.Tier, "TIER_", ValueTier)
TIER_UNKNOWN = EnumNames(pb.ValueTierScore.UnknownReason, "UNKNOWN_REASON_", str)
REASON_CODES = EnumNames(pb.ScoreReason.Code, "CODE_", ReasonCode)
UNSET = "UNSPECIFIED"
SCORES = ("rfm", "value_tier")


def scores_to_pb(scores: AccountScores) -> pb.AccountScores:
    return pb.AccountScores(
        id=str(scores.id),
        account_id=str(scores.account_id),
        account_name=scores.account_name or "",
        account_owner_id=id_text(scores.account_owner_id),
        rfm=rfm_to_pb(scores.rfm),
        value_tier=value_tier_to_pb(scores.value_tier),
        compute_time=timestamp(scores.compute_time),
        etag=etag_of(scores.version),
        create_time=timestamp(scores.create_time),
        update_time=timestamp(scores.update_time),
    )


def rfm_to_pb(score: RfmScore) -> pb.RfmScore:
    return pb.RfmScore(
        value=score.value,
        band=SEGMENTS.wire(score.band),
        reasons=map(reason_to_pb, score.reasons),
        unknown_reason=RFM_UNKNOWN.wire(score.unknown_reason or UNSET),
    )


def value_tier_to_pb(score: ValueTierScore) -> pb.ValueTierScore:
    return pb.ValueTierScore(
        value=money_to_pb(score.value),
        band=TIERS.wire(score.band),
        reasons=map(reason_to_pb, score.reasons),
        unknown_reason=TIER_UNKNOWN.wire(score.unknown_reason or UNSET),
    )


def reason_to_pb(reason: ScoreReason) -> pb.ScoreReason:
    told = pb.ScoreReason(code=REASON_CODES.wire(reason.code), contribution=reason.contribution)
    match reason.judged_by:
        case date() as day:
            told.order_date = day.isoformat()
        case int() as count:
            told.order_count = count
        case Money() as amount:
            told.MergeFrom(pb.ScoreReason(amount=money_to_pb(amount)))
    return told


def scores_changed(before: AccountScores | None, after: AccountScores) -> tuple[str, Sequence[str], Message]:
    """What is told of a change: its action, the scores that changed, and its event."""
    known = before or AccountScores(after.id)
    changed = [name for name in SCORES if getattr(known, name) != getattr(after, name)]
    message = scores_to_pb(after)
    if after.tier is not known.tier:
        event = events_pb2.ValueTierChanged(account_scores=message, old_tier=TIERS.wire(known.tier))
        return "VALUE_TIER_CHANGED", changed, event
    if before is None:
        return "CREATED", changed, events_pb2.AccountScoresCreated(account_scores=message)
    return "UPDATED", changed, events_pb2.AccountScoresUpdated(account_scores=message, changed_fields=changed)
