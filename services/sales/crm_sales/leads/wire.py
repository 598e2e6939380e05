"""Leads between protobuf and entity."""

from collections.abc import Iterable
from datetime import datetime

from crm.sales.v1 import events_pb2
from crm.sales.v1 import leads_pb2 as pb
from crm_kit.etags import etag_of
from crm_kit.wire import EnumNames, Fields, id_from, id_text, same, text_or_none, time_from, timestamp

from crm_sales.leads.model import Lead, LeadState
from crm_sales.pools.model import FollowUpKind
from crm_sales.pools.protection import FollowUp, Protection, ProtectionReason, ProtectionStep

STATES = EnumNames(pb.Lead.State, "STATE_", LeadState)
KINDS = EnumNames(pb.FollowUp.Kind, "KIND_", FollowUpKind)
REASONS = EnumNames(pb.Protection.Reason, "REASON_", ProtectionReason)
MAX_SECONDS = 2**31 - 1

# What a caller may change; who owns it is changed by its own verbs once it is created.
CHANGEABLE = Fields(
    display_name=same,
    company_name=text_or_none,
    job_title=text_or_none,
    phone_number=text_or_none,
    email=text_or_none,
    region_code=text_or_none,
    source=text_or_none,
    campaign=text_or_none,
    description=text_or_none,
)
FIELDS = CHANGEABLE.with_more(owner_id=id_from)


def lead_to_pb(lead: Lead) -> pb.Lead:
    return pb.Lead(
        id=str(lead.id),
        display_name=lead.display_name,
        company_name=lead.company_name or "",
        job_title=lead.job_title or "",
        phone_number=lead.phone_number or "",
        email=lead.email or "",
        region_code=lead.region_code or "",
        source=lead.source or "",
        campaign=lead.campaign or "",
        description=lead.description or "",
        state=STATES.wire(lead.state),
        owner_id=id_text(lead.owner_id),
        owner_team_id=id_text(lead.owner_team_id),
        in_pool=lead.in_pool,
        take_time=timestamp(lead.take_time),
        pool_time=timestamp(lead.pool_time),
        former_owner_id=id_text(lead.former_owner_id),
        return_reason=lead.return_reason or "",
        safe_until_time=timestamp(lead.safe_until_time),
        last_follow_up_time=timestamp(lead.last_follow_up_time),
        disqualify_reason=lead.disqualify_reason or "",
        account_id=id_text(lead.account_id),
        contact_id=id_text(lead.contact_id),
        opportunity_id=id_text(lead.opportunity_id),
        etag=etag_of(lead.version),
        create_time=timestamp(lead.create_time),
        update_time=timestamp(lead.update_time),
    )


def follow_up_from(given: pb.FollowUp, now: datetime) -> FollowUp:
    """A follow-up that is told now; it happened now too unless it says when."""
    happen_time = time_from(given.happen_time) if given.HasField("happen_time") else now
    return FollowUp(KINDS.entity(given.kind), happen_time, now)


def protection_to_pb(lead: Lead, safe: Protection, now: datetime) -> pb.Protection:
    remaining = safe.remaining(now)
    return pb.Protection(
        lead_id=str(lead.id),
        safe_until_time=timestamp(safe.safe_until_time),
        remaining_seconds=None if remaining is None else min(int(remaining.total_seconds()), MAX_SECONDS),
        warning_time=timestamp(safe.warning_time),
        reason=REASONS.wire(safe.reason),
        steps=map(step_to_pb, safe.steps),
    )


def step_to_pb(step: ProtectionStep) -> pb.Protection.Step:
    return pb.Protection.Step(
        reason=REASONS.wire(step.reason),
        start_time=timestamp(step.start_time),
        safe_until_time=timestamp(step.safe_until_time),
        explanation=step.explanation,
    )


def lead_created(lead: Lead) -> events_pb2.LeadCreated:
    return events_pb2.LeadCreated(lead=lead_to_pb(lead))


def lead_updated(lead: Lead, *, changed_fields: Iterable[str]) -> events_pb2.LeadUpdated:
    return events_pb2.LeadUpdated(lead=lead_to_pb(lead), changed_fields=changed_fields)


def lead_assigned(lead: Lead) -> events_pb2.LeadAssigned:
    return events_pb2.LeadAssigned(lead=lead_to_pb(lead))


def lead_claimed(lead: Lead) -> events_pb2.LeadClaimed:
    return events_pb2.LeadClaimed(lead=lead_to_pb(lead))


def lead_returned(lead: Lead) -> events_pb2.LeadReturned:
    return events_pb2.LeadReturned(lead=lead_to_pb(lead))


def lead_reclaimed(lead: Lead) -> events_pb2.LeadReclaimed:
    return events_pb2.LeadReclaimed(lead=lead_to_pb(lead))


def lead_followed_up(lead: Lead, *, follow_up: FollowUp, note: str | None) -> events_pb2.LeadFollowedUp:
    told = pb.FollowUp(kind=KINDS.wire(follow_up.kind), happen_time=timestamp(follow_up.happen_time), note=note or "")
    return events_pb2.LeadFollowedUp(lead=lead_to_pb(lead), follow_up=told)


def lead_qualified(lead: Lead) -> events_pb2.LeadQualified:
    return events_pb2.LeadQualified(lead=lead_to_pb(lead))


def lead_disqualified(lead: Lead) -> events_pb2.LeadDisqualified:
    return events_pb2.LeadDisqualified(lead=lead_to_pb(lead))


def lead_conversion_started(lead: Lead) -> events_pb2.LeadConversionStarted:
    return events_pb2.LeadConversionStarted(lead=lead_to_pb(lead))


def lead_conversion_advanced(lead: Lead) -> events_pb2.LeadConversionAdvanced:
    return events_pb2.LeadConversionAdvanced(lead=lead_to_pb(lead))


def lead_conversion_abandoned(lead: Lead, *, reason: str) -> events_pb2.LeadConversionAbandoned:
    return events_pb2.LeadConversionAbandoned(lead=lead_to_pb(lead), reason=reason)


def lead_converted(lead: Lead) -> events_pb2.LeadConverted:
    return events_pb2.LeadConverted(lead=lead_to_pb(lead))
