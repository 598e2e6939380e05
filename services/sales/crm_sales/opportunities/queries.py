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
from sqlalchemy import Integer, Select, Uuid, bindparam, column, func, select
from sqlalchemy.dialects.postgresql import ARRAY

from crm_sales.opportunities.model import Opportunity, OpportunityState, StageChange, TeamShare
from crm_sales.opportunities.tables import opportunities, stage_changes
from crm_sales.pipelines.model import Pipeline

COLUMNS = [column for column in opportunities.c if column.name != "tenant_id"]


@statement
def opportunity_by_id(scope: Scope) -> Select[Any]:
    return select(*COLUMNS).where(
        opportunities.c.tenant_id == bindparam("tenant_id"),
        opportunities.c.id == bindparam("id"),
        visible(opportunities, scope),
    )


@statement
def with_other_probability() -> Select[Any]:
    """Open opportunities of a pipeline whose probability differs from the one given for their stage."""
    stages = (
        func.unnest(bindparam("stage_ids", type_=ARRAY(Uuid)), bindparam("percents", type_=ARRAY(Integer)))
        .table_valued(column("id", Uuid), column("percent", Integer))
        .render_derived(name="stages")
    )
    return (
        select(*COLUMNS)
        .join(stages, stages.c.id == opportunities.c.stage_id)
        .where(
            opportunities.c.tenant_id == bindparam("tenant_id"),
            opportunities.c.state == OpportunityState.OPEN.value,
            opportunities.c.probability_percent != stages.c.percent,
            opportunities.c.id > bindparam("after_id", type_=Uuid),
        )
        .order_by(opportunities.c.id)
        .limit(bindparam("batch", type_=Integer))
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
            **_of(FieldType.INTEGER, "probability_percent"),
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


def _stage_changes(_scope: Scope, _filtered_by: frozenset[str]) -> Select[Any]:
    return select(stage_changes, stage_changes.c.number.label("id")).where(
        stage_changes.c.tenant_id == bindparam("tenant_id"),
        stage_changes.c.opportunity_id == bindparam("opportunity_id"),
    )


STAGE_CHANGES = Listing(
    name="stage_changes",
    rows=_stage_changes,
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


async def outdated_opportunities(
    reader: Reader, pipeline: Pipeline, *, after_id: UUID, batch: int
) -> list[Opportunity]:
    """Open opportunities of the pipeline whose probability is not their stage's, by id, from a position on."""
    rows = await reader.all(
        with_other_probability(),
        stage_ids=[stage.id for stage in pipeline.stages],
        percents=[stage.probability_percent for stage in pipeline.stages],
        after_id=after_id,
        batch=batch,
    )
    return [opportunity_from(row) for row in rows]


def opportunity_from(row: Record) -> Opportunity:
    """The entity that a row of `COLUMNS` holds."""
    values = dict(row)
    values["amount"] = Money(values["amount"], values.pop("currency_code"))
    values["state"] = OpportunityState(values["state"])
    values["checked"] = tuple(values["checked"])
    values["team"] = tuple(share_from(each) for each in values["team"])
    return Opportunity(**values)


def share_from(stored: Mapping[str, Any]) -> TeamShare:
    """A share as JSON keeps it."""
    return TeamShare(UUID(stored["user_id"]), Decimal(stored["percent"]))


def stage_change_from(row: Record) -> StageChange:
    """A move through stages and states."""
    names = ("number", "change_time", "actor_id", "from_stage_id", "to_stage_id", "reason")
    return StageChange(
        **{name: row[name] for name in names},
        from_state=OpportunityState(row["from_state"]),
        to_state=OpportunityState(row["to_state"]),
        amount=Money(row["amount"], row["currency_code"]),
    )
