"""Opportunities between protobuf and entity."""

from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from uuid import UUID

from crm.sales.v1 import events_pb2
from crm.sales.v1 import opportunities_pb2 as pb
from crm.type.v1 import money_pb2
from crm_kit.etags import etag_of
from crm_kit.money import Money
from crm_kit.wire import EnumNames, Fields, id_from, id_text, same, text_or_none, timestamp

from crm_sales.opportunities.model import Opportunity, OpportunityState, StageChange, TeamShare
from crm_sales.wire import date_from, money_or_nothing, money_to_pb

STATES = EnumNames(pb.Opportunity.State, "STATE_", OpportunityState)


def amount_from(value: money_pb2.Money) -> Money:
    return money_or_nothing(value, field="opportunity.amount")


def team_from(values: Iterable[pb.TeamShare]) -> tuple[TeamShare, ...]:
    return tuple(TeamShare(UUID(each.user_id), Decimal(each.percent)) for each in values)


def close_date_from(text: str) -> date | None:
    return date_from(text, field="opportunity.expected_close_date")


CHANGEABLE = Fields(
    display_name=same,
    amount=amount_from,
    expected_close_date=close_date_from,
    next_step=text_or_none,
    source=text_or_none,
    fields=dict,
    checked=tuple,
    team=team_from,
    owner_id=id_from,
)
FIELDS = CHANGEABLE.with_more(account_id=UUID, pipeline_id=id_from, stage_id=id_from)


def opportunity_to_pb(opportunity: Opportunity) -> pb.Opportunity:
    return pb.Opportunity(
        id=str(opportunity.id),
        account_id=str(opportunity.account_id),
        display_name=opportunity.display_name,
        amount=money_to_pb(opportunity.amount),
        expected_close_date=str(opportunity.expected_close_date or ""),
        pipeline_id=str(opportunity.pipeline_id),
        stage_id=str(opportunity.stage_id),
        stage_time=timestamp(opportunity.stage_time),
        state=STATES.wire(opportunity.state),
        probability_percent=opportunity.probability_percent,
        next_step=opportunity.next_step or "",
        source=opportunity.source or "",
        fields=dict(opportunity.fields),
        checked=opportunity.checked,
        team=[pb.TeamShare(user_id=str(each.user_id), percent=f"{each.percent:f}") for each in opportunity.team],
        owner_id=str(opportunity.owner_id),
        owner_team_id=id_text(opportunity.owner_team_id),
        lead_id=id_text(opportunity.lead_id),
        close_reason=opportunity.close_reason or "",
        close_time=timestamp(opportunity.close_time),
        etag=etag_of(opportunity.version),
        create_time=timestamp(opportunity.create_time),
        update_time=timestamp(opportunity.update_time),
    )


def stage_change_to_pb(change: StageChange) -> pb.StageChange:
    return pb.StageChange(
        number=change.number,
        change_time=timestamp(change.change_time),
        actor_id=str(change.actor_id),
        from_stage_id=str(change.from_stage_id),
        to_stage_id=str(change.to_stage_id),
        from_state=STATES.wire(change.from_state),
        to_state=STATES.wire(change.to_state),
        amount=money_to_pb(change.amount),
        reason=change.reason or "",
    )


def opportunity_created(opportunity: Opportunity) -> events_pb2.OpportunityCreated:
    return events_pb2.OpportunityCreated(opportunity=opportunity_to_pb(opportunity))


def opportunity_updated(opportunity: Opportunity, *, changed_fields: Iterable[str]) -> events_pb2.OpportunityUpdated:
    return events_pb2.OpportunityUpdated(opportunity=opportunity_to_pb(opportunity), changed_fields=changed_fields)


def opportunity_moved(opportunity: Opportunity, change: StageChange) -> events_pb2.OpportunityMoved:
    return events_pb2.OpportunityMoved(
        opportunity=opportunity_to_pb(opportunity), stage_change=stage_change_to_pb(change)
    )


def opportunity_won(opportunity: Opportunity, change: StageChange) -> events_pb2.OpportunityWon:
    return events_pb2.OpportunityWon(
        opportunity=opportunity_to_pb(opportunity), stage_change=stage_change_to_pb(change)
    )


def opportunity_lost(opportunity: Opportunity, change: StageChange) -> events_pb2.OpportunityLost:
    return events_pb2.OpportunityLost(
        opportunity=opportunity_to_pb(opportunity), stage_change=stage_change_to_pb(change)
    )


def opportunity_reopened(opportunity: Opportunity, change: StageChange) -> events_pb2.OpportunityReopened:
    return events_pb2.OpportunityReopened(
        opportunity=opportunity_to_pb(opportunity), stage_change=stage_change_to_pb(change)
    )
