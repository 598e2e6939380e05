"""Every SELECT on opportunities that their declaration does not make."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from crm_kit.database.connections import Record
from crm_kit.database.statements import statement
from crm_kit.database.work import Reader
from crm_kit.filtering.schema import FilterSchema
from crm_kit.identity.access import Scope
from crm_kit.listing import Listing
from crm_kit.money import Money
from crm_kit.paging import OrderColumn
from sqlalchemy import Integer, Select, Uuid, bindparam, column, func, select
from sqlalchemy.dialects.postgresql import ARRAY

from crm_sales.opportunities.model import Opportunity, OpportunityState, StageChange
from crm_sales.opportunities.resource import OPPORTUNITIES
from crm_sales.opportunities.tables import opportunities, stage_changes
from crm_sales.pipelines.model import Pipeline


@statement
def opportunity_not_lost() -> Select[Any]:
    """The opportunity unless it is LOST. It stays so until the transaction ends: whoever loses it waits."""
    return (
        select(opportunities.c.id)
        .where(
            opportunities.c.tenant_id == bindparam("tenant_id"),
            opportunities.c.id == bindparam("id"),
            opportunities.c.state != OpportunityState.LOST.value,
        )
        .with_for_update(read=True)
    )


def _with_other_probability(rows: Select[Any]) -> Select[Any]:
    """Those of the rows that are open and have another probability than the one that is given for their stage."""
    stages = (
        func.unnest(bindparam("stage_ids", type_=ARRAY(Uuid)), bindparam("percents", type_=ARRAY(Integer)))
        .table_valued(column("id", Uuid), column("percent", Integer))
        .render_derived(name="stages")
    )
    return rows.join(stages, stages.c.id == opportunities.c.stage_id).where(
        opportunities.c.state == OpportunityState.OPEN.value, opportunities.c.probability_percent != stages.c.percent
    )


@statement
def outdated_ids() -> Select[Any]:
    ids = select(opportunities.c.id).where(opportunities.c.tenant_id == bindparam("tenant_id"))
    return _with_other_probability(ids).limit(bindparam("batch", type_=Integer))


@statement
def outdated_of() -> Select[Any]:
    outdated = _with_other_probability(OPPORTUNITIES.rows(Scope.ALL))
    return outdated.where(opportunities.c.id == func.any(bindparam("ids", type_=ARRAY(Uuid))))


@statement
def open_at_account() -> Select[Any]:
    owned = OPPORTUNITIES.rows(Scope.ALL).where(
        opportunities.c.account_id == bindparam("account_id"),
        opportunities.c.owner_id == bindparam("owner_id"),
        opportunities.c.state == OpportunityState.OPEN.value,
    )
    return owned.limit(bindparam("batch", type_=Integer))


async def open_opportunities_at(reader: Reader, account_id: UUID, *, owner_id: UUID, limit: int) -> list[Opportunity]:
    """Open opportunities that a user has at an account, so many of them at most."""
    rows = await reader.all(open_at_account(), account_id=account_id, owner_id=owner_id, batch=limit)
    return [OPPORTUNITIES.entity_from(row) for row in rows]


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


async def ids_of_outdated(reader: Reader, pipeline: Pipeline, *, limit: int) -> list[UUID]:
    """Open opportunities of the pipeline whose probability is not their stage's, so many at most."""
    rows = await reader.all(outdated_ids(), **stages_of(pipeline), batch=limit)
    return [row["id"] for row in rows]


async def outdated_among(reader: Reader, pipeline: Pipeline, ids: Sequence[UUID]) -> list[Opportunity]:
    """Those of the opportunities that are open, and whose probability is not their stage's."""
    rows = await reader.all(outdated_of(), **stages_of(pipeline), ids=ids)
    return [OPPORTUNITIES.entity_from(row) for row in rows]


def stages_of(pipeline: Pipeline) -> dict[str, Any]:
    return {
        "stage_ids": [stage.id for stage in pipeline.stages],
        "percents": [stage.probability_percent for stage in pipeline.stages],
    }


def stage_change_from(row: Record) -> StageChange:
    """A move through stages and states."""
    names = ("number", "change_time", "actor_id", "from_stage_id", "to_stage_id", "reason")
    return StageChange(
        **{name: row[name] for name in names},
        from_state=OpportunityState(row["from_state"]),
        to_state=OpportunityState(row["to_state"]),
        amount=Money(row["amount"], row["currency_code"]),
    )
