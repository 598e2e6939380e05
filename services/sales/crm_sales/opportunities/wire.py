"""Opportunities between protobuf and entity."""

from collections.abc import Iterable
from datetime import date
from decimal import Decimal

from crm.sales.v1 import events_pb2
from crm.sales.v1 import opportunities_pb2 as pb
from crm.type.v1 import money_pb2
from crm_kit.errors import invalid_field
from crm_kit.etags import etag_of
from crm_kit.money import Money, parse_money
from crm_kit.wire import EnumNames, Fields, id_from, id_text, same, timestamp
from google.protobuf.message import Message

from crm_sales.opportunities.model import Opportunity, OpportunityState, Pipeline, StageChange, TeamShare

STATES = EnumNames(pb.Opportunity.State, "STATE_", OpportunityState)
NOTHING = Money(Decimal(0), "CNY")


def money_from(message: Message, name: str, *, field: str) -> Money:
    """The money in a field of a message; 0 CNY when it is not set."""
    return money_of(getattr(message, name), field=field) if message.HasField(name) else NOTHING


def money_of(value: money_pb2.Money, *, field: str, exact: bool = False) -> Money:
    """Money of the contract; not finer than the currency's minor unit unless it is a price that is not yet rounded."""
    money = parse_money(value.amount, value.currency_code, field=field)
    if not exact and money.rounded() != money:
        raise invalid_field(f"{field}.amount", "minor_unit", f"{money} is finer than the currency's smallest unit")
    return money


def money_to_pb(money: Money) -> money_pb2.Money:
    return money_pb2.Money(amount=money.text(), currency_code=money.currency_code)


def id_as_text(text: str) -> str:
    """An id in the one spelling that ids are compared in."""
    return id_text(id_from(text))


def date_from(text: str, *, field: str) -> date | None:
    """A civil date; None when empty. InvalidArgument when there is no such day."""
    try:
        return date.fromisoformat(text) if text else None
    except ValueError as error:
        raise invalid_field(field, "date", f"{text} is no day of the calendar") from error


def amount_from(value: money_pb2.Money) -> Money:
    return money_of(value, field="opportunity.amount") if value.currency_code else NOTHING


def team_from(values: Iterable[pb.TeamShare]) -> tuple[TeamShare, ...]:
    return tuple(TeamShare(id_as_text(each.user_id), Decimal(each.percent)) for each in values)


def close_date_from(text: str) -> date | None:
    return date_from(text, field="opportunity.expected_close_date")


CHANGEABLE = Fields(
    display_name=same,
    amount=amount_from,
    expected_close_date=close_date_from,
    next_step=same,
    source=same,
    fields=dict,
    checked=frozenset,
    team=team_from,
    owner_id=id_as_text,
)
FIELDS = CHANGEABLE.with_more(account_id=id_as_text, pipeline_id=id_as_text, stage_id=id_as_text)


def opportunity_to_pb(opportunity: Opportunity, pipeline: Pipeline) -> pb.Opportunity:
    return pb.Opportunity(
        id=opportunity.id,
        account_id=opportunity.account_id,
        display_name=opportunity.display_name,
        amount=money_to_pb(opportunity.amount),
        expected_close_date=str(opportunity.expected_close_date or ""),
        pipeline_id=opportunity.pipeline_id,
        stage_id=opportunity.stage_id,
        stage_time=timestamp(opportunity.stage_time),
        state=STATES.wire(opportunity.state),
        probability_percent=int(opportunity.probability(pipeline)),
        next_step=opportunity.next_step,
        source=opportunity.source,
        fields=dict(opportunity.fields),
        checked=sorted(opportunity.checked),
        team=[pb.TeamShare(user_id=each.user_id, percent=_plain(each.percent)) for each in opportunity.team],
        owner_id=opportunity.owner_id,
        owner_team_id=opportunity.owner_team_id,
        lead_id=opportunity.lead_id,
        close_reason=opportunity.close_reason,
        close_time=timestamp(opportunity.close_time),
        etag=etag_of(opportunity.version),
        create_time=timestamp(opportunity.create_time),
        update_time=timestamp(opportunity.update_time),
    )


def move_to_pb(number: int, move: StageChange) -> pb.StageChange:
    return pb.StageChange(
        number=number,
        change_time=timestamp(move.at),
        actor_id=move.actor_id,
        from_stage_id=move.from_stage_id,
        to_stage_id=move.to_stage_id,
        from_state=STATES.wire(move.from_state),
        to_state=STATES.wire(move.to_state),
        amount=money_to_pb(move.amount),
        reason=move.reason,
    )


def opportunity_created(opportunity: Opportunity, pipeline: Pipeline) -> events_pb2.OpportunityCreated:
    return events_pb2.OpportunityCreated(opportunity=opportunity_to_pb(opportunity, pipeline))


def opportunity_stage_changed(opportunity: Opportunity, pipeline: Pipeline) -> events_pb2.OpportunityStageChanged:
    number = opportunity.earlier_moves + len(opportunity.history)
    change = move_to_pb(number, opportunity.history[-1])
    return events_pb2.OpportunityStageChanged(opportunity=opportunity_to_pb(opportunity, pipeline), change=change)


def opportunity_won(opportunity: Opportunity, pipeline: Pipeline) -> events_pb2.OpportunityWon:
    return events_pb2.OpportunityWon(opportunity=opportunity_to_pb(opportunity, pipeline))


def opportunity_lost(opportunity: Opportunity, pipeline: Pipeline) -> events_pb2.OpportunityLost:
    return events_pb2.OpportunityLost(opportunity=opportunity_to_pb(opportunity, pipeline))


def _plain(percent: Decimal) -> str:
    return f"{percent:f}"
