"""Every SELECT on opportunities. What the reader may not see is not found."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from uuid import UUID

from crm_kit.database.connections import Record
from crm_kit.database.statements import statement
from crm_kit.database.work import Reader
from crm_kit.errors import NotFound
from crm_kit.filtering.schema import FilterField, FilterSchema, enum_field, money_fields, team_field, user_field
from crm_kit.filtering.tree import FieldType
from crm_kit.identity.access import Scope, visible
from crm_kit.listing import Listing
from crm_kit.money import Money
from crm_kit.paging import OrderColumn
from sqlalchemy import Select, bindparam, select

from crm_sales.opportunities.model import Opportunity, OpportunityState, StageChange, TeamShare
from crm_sales.opportunities.tables import opportunities, stage_changes

COLUMNS = [column for column in opportunities.c if column.name != "tenant_id"]


@statement
def opportunity_by_id(scope: Scope) -> Select[Any]:
    return select(*COLUMNS).where(
        opportunities.c.tenant_id == bindparam("tenant_id"),
        opportunities.c.id == bindparam("id"),
        visible(opportunities, scope),
    )


def _listed(scope: Scope, _filtered_by: frozenset[str]) -> Select[Any]:
    return select(*COLUMNS).where(opportunities.c.tenant_id == bindparam("tenant_id"), visible(opportunities, scope))


def _of(type: FieldType, *names: str) -> dict[str, FilterField]:
    return {name: FilterField(type, opportunities.c[name]) for name in names}


LISTING = Listing(
    name="opportunities",
    rows=_listed,
    fields=FilterSchema(
        {
            **_of(FieldType.UUID, "id", "account_id", "pipeline_id", "stage_id", "lead_id"),
            "owner_id": user_field(opportunities.c.owner_id),
            "owner_team_id": team_field(opportunities.c.owner_team_id),
            **_of(FieldType.TEXT, "display_name", "source"),
            **_of(FieldType.DATE, "expected_close_date"),
            **_of(FieldType.INSTANT, "stage_time", "close_time", "create_time", "update_time"),
            **money_fields("amount", opportunities.c.amount, opportunities.c.currency_code),
            "state": enum_field(opportunities.c.state, list(OpportunityState), prefix="STATE_"),
        }
    ),
    orders={
        "id": OrderColumn(opportunities.c.id),
        "create_time": OrderColumn(opportunities.c.create_time),
        "update_time": OrderColumn(opportunities.c.update_time),
        "display_name": OrderColumn(opportunities.c.display_name),
        "expected_close_date": OrderColumn(opportunities.c.expected_close_date, nullable=True),
        "amount": OrderColumn(opportunities.c.amount),
    },
)


def _moves(_scope: Scope, _filtered_by: frozenset[str]) -> Select[Any]:
    return select(stage_changes, stage_changes.c.number.label("id")).where(
        stage_changes.c.tenant_id == bindparam("tenant_id"),
        stage_changes.c.opportunity_id == bindparam("opportunity_id"),
    )


MOVES = Listing(
    name="stage_changes",
    rows=_moves,
    fields=FilterSchema({}),
    orders={"id": OrderColumn(stage_changes.c.number)},
    default_order="id desc",
)


async def get_opportunity(reader: Reader, id: UUID) -> Opportunity:
    """The opportunity; NotFound when there is none or the reader may not see it."""
    row = await reader.one(opportunity_by_id(reader.scope), id=id)
    if row is None:
        raise NotFound("the opportunity does not exist", reason="OPPORTUNITY_NOT_FOUND")
    return opportunity_from(row)


def opportunity_from(row: Record) -> Opportunity:
    """The entity that a row of `COLUMNS` holds."""
    values = dict(row)
    for name in ("id", "account_id", "pipeline_id", "stage_id", "owner_id", "owner_team_id", "lead_id"):
        values[name] = str(values[name] or "")
    values["amount"] = Money(values["amount"], values.pop("currency_code"))
    values["state"] = OpportunityState(values["state"])
    values["checked"] = frozenset(values["checked"])
    values["team"] = tuple(share_from(each) for each in values["team"])
    values["stage_entered"] = values.pop("stage_time")
    values["earlier_moves"] = values.pop("move_count")
    return Opportunity(**values)


def share_from(stored: Mapping[str, Any]) -> TeamShare:
    """A share as JSON keeps it."""
    return TeamShare(stored["user_id"], Decimal(stored["percent"]))


def move_from(row: Record) -> StageChange:
    """A move through stages and states."""
    return StageChange(
        at=row["change_time"],
        actor_id=str(row["actor_id"]),
        from_stage_id=str(row["from_stage_id"]),
        to_stage_id=str(row["to_stage_id"]),
        from_state=OpportunityState(row["from_state"]),
        to_state=OpportunityState(row["to_state"]),
        amount=Money(row["amount"], row["currency_code"]),
        reason=row["reason"],
    )
