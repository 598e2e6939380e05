"""Leads between protobuf and entity."""

from datetime import datetime
from uuid import UUID

from crm.sales.v1 import events_pb2
from crm.sales.v1 import leads_pb2 as pb
from crm_kit.etags import etag_of
from crm_kit.wire import EnumNames, Fields, same, timestamp

from crm_sales.leads.model import Lead, LeadState
from crm_sales.pools.model import FollowUpKind, Protection, ProtectionReason

STATES = EnumNames(pb.Lead.State, "STATE_", LeadState)
KINDS = EnumNames(pb.FollowUp.Kind, "KIND_", FollowUpKind)
REASONS = EnumNames(pb.Protection.Reason, "REASON_", ProtectionReason)
MAX_SECONDS = 2**31 - 1

# What a caller may change; who holds it is changed by its own verbs once it is created.
CHANGEABLE = Fields(
    display_name=same,
    company_name=same,
    job_title=same,
    phone_number=same,
    email=same,
    region_code=same,
    source=same,
    campaign=same,
    description=same,
)
FIELDS = CHANGEABLE.with_more(owner_id=same)


def lead_to_pb(lead: Lead) -> pb.Lead:
    conversion = lead.conversion
    return pb.Lead(
        id=str(lead.id),
        display_name=lead.display_name,
        company_name=lead.company_name,
        job_title=lead.job_title,
        phone_number=lead.phone_number,
        email=lead.email,
        region_code=lead.region_code,
        source=lead.source,
        campaign=lead.campaign,
        description=lead.description,
        state=STATES.wire(lead.state),
        owner_id=lead.owner_id,
        owner_team_id=lead.owner_team_id,
        in_pool=not lead.owner_id,
        take_time=timestamp(lead.take_time),
        pool_time=timestamp(lead.pool_time),
        former_owner_id=lead.former_owner_id,
        return_reason=lead.return_reason,
        safe_until_time=None if lead.is_converting else timestamp(lead.safe_until_time),
        last_follow_up_time=timestamp(lead.last_follow_up_time),
        disqualify_reason=lead.disqualify_reason,
        account_id=conversion.account_id if conversion else "",
        contact_id=conversion.contact_id if conversion else "",
        opportunity_id=conversion.opportunity_id if conversion else "",
        etag=etag_of(lead.version),
        create_time=timestamp(lead.create_time),
        update_time=timestamp(lead.update_time),
    )


def protection_to_pb(id: UUID, safe: Protection, now: datetime) -> pb.Protection:
    remaining = safe.remaining(now)
    return pb.Protection(
        lead_id=str(id),
        safe_until_time=timestamp(safe.safe_until),
        remaining_seconds=None if remaining is None else min(int(remaining.total_seconds()), MAX_SECONDS),
        warning_time=timestamp(safe.warning_time),
        reason=REASONS.wire(safe.reason),
        steps=[
            pb.Protection.Step(
                reason=REASONS.wire(step.reason),
                start_time=timestamp(step.at),
                safe_until_time=timestamp(step.until),
                explanation=step.explanation,
            )
            for step in safe.explanation
        ],
    )


def lead_created(lead: Lead) -> events_pb2.LeadCreated:
    return events_pb2.LeadCreated(lead=lead_to_pb(lead))


def lead_claimed(lead: Lead) -> events_pb2.LeadClaimed:
    return events_pb2.LeadClaimed(lead=lead_to_pb(lead))


def lead_returned(lead: Lead) -> events_pb2.LeadReturned:
    return events_pb2.LeadReturned(lead=lead_to_pb(lead), reclaimed=False)


def lead_reclaimed(lead: Lead) -> events_pb2.LeadReturned:
    return events_pb2.LeadReturned(lead=lead_to_pb(lead), reclaimed=True)


def lead_converted(lead: Lead) -> events_pb2.LeadConverted:
    return events_pb2.LeadConverted(lead=lead_to_pb(lead))
