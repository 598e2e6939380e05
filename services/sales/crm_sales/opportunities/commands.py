"""Every write on opportunities. Each function is one transaction's work."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from crm_kit.database.connections import row_of
from crm_kit.database.work import UnitOfWork
from crm_kit.directory.access import owner_team, require_users
from crm_kit.etags import check_etag
from crm_kit.events.outbox import emit
from crm_kit.history import changed_fields, record_change
from crm_kit.ids import new_id
from google.protobuf.message import Message

from crm_sales.accounts.commands import require_account
from crm_sales.accounts.wire import Customer
from crm_sales.opportunities.model import Opportunity, Pipeline
from crm_sales.opportunities.queries import get_opportunity
from crm_sales.opportunities.tables import opportunities, stage_changes
from crm_sales.opportunities.wire import (
    opportunity_created,
    opportunity_lost,
    opportunity_stage_changed,
    opportunity_won,
)
from crm_sales.pipelines.queries import default_pipeline_id, get_pipeline

# What the moves say themselves.
COUNTED = frozenset({"history", "earlier_moves", "stage_entered"})
ToEvent = Callable[[Opportunity, Pipeline], Message]


async def create_opportunity(
    work: UnitOfWork, customer: Customer, values: dict[str, Any]
) -> tuple[Opportunity, Pipeline]:
    """Create an opportunity; the caller becomes its owner unless one is named."""
    await require_account(work, customer, values["account_id"], field="opportunity.account_id")
    pipeline_id = values.pop("pipeline_id") or default_pipeline_id(work.tenant_id)
    pipeline = (await get_pipeline(work, UUID(str(pipeline_id)))).pipeline
    if values["stage_id"]:
        pipeline.position(values["stage_id"])
    owner_id = values["owner_id"] or str(work.actor.user_id)
    team_id = await owner_team(work, UUID(owner_id), field="opportunity.owner_id")
    await require_team(work, values)
    owned = {"owner_id": owner_id, "owner_team_id": str(team_id or "")}
    return open_opportunity(work, pipeline, **values | owned), pipeline


async def require_team(work: UnitOfWork, values: dict[str, Any]) -> None:
    """REFERENCE_NOT_FOUND unless everyone who has a share is an active user."""
    users = [UUID(share.user_id) for share in values.get("team", ())]
    await require_users(work, users, field="opportunity.team[{}].user_id")


def open_opportunity(work: UnitOfWork, pipeline: Pipeline, **values: Any) -> Opportunity:
    """Gather a new opportunity, in the first stage unless another is named."""
    opportunity = Opportunity(
        id=str(new_id()),
        pipeline_id=pipeline.id,
        create_time=work.now,
        update_time=work.now,
        stage_entered=work.now,
        **values | {"stage_id": values.get("stage_id") or pipeline.stages[0].id},
    )
    work.insert(opportunities, stored(opportunity))
    record_change(work, "opportunity", action="CREATED", before=None, after=opportunity)
    announce(work, opportunity, opportunity_created(opportunity, pipeline))
    return opportunity


async def update_opportunity(
    work: UnitOfWork, id: UUID, values: dict[str, Any], *, etag: str = ""
) -> tuple[Opportunity, Pipeline]:
    """Change some fields of an opportunity; nothing is written when nothing changes."""
    before = await get_opportunity(work, id)
    pipeline = await pipeline_of(work, before)
    if "owner_id" in values:
        values["owner_id"] = values["owner_id"] or before.owner_id
        team_id = await owner_team(work, UUID(values["owner_id"]), field="opportunity.owner_id")
        values["owner_team_id"] = str(team_id or "")
    await require_team(work, values)
    after = before.update(values, now=work.now, etag=etag)
    if after is not before:
        save(work, before, after, "UPDATED")
    return after, pipeline


async def move_opportunity(
    work: UnitOfWork, id: UUID, stage_id: str, *, override_reason: str, etag: str = ""
) -> tuple[Opportunity, Pipeline]:
    """Move to another stage. Who overrides an exit criterion needs `opportunities.override`."""
    before = await get_opportunity(work, id)
    check_etag(etag, before.version)
    pipeline = await pipeline_of(work, before)
    target, current = pipeline.position(stage_id), pipeline.position(before.stage_id)
    if override_reason.strip() and before.missing(pipeline.stages[current:target]):
        work.actor.access.scope("opportunities.override")
    moved = before.move(
        pipeline, stage_id, now=work.now, actor_id=str(work.actor.user_id), override_reason=override_reason
    )
    if moved is before:
        return before, pipeline
    return save_moved(work, before, moved, "MOVED", pipeline, opportunity_stage_changed), pipeline


async def win_opportunity(work: UnitOfWork, id: UUID, reason: str, *, etag: str = "") -> tuple[Opportunity, Pipeline]:
    """Say that the deal is made."""
    before = await get_opportunity(work, id)
    check_etag(etag, before.version)
    pipeline = await pipeline_of(work, before)
    moved = before.win(pipeline, reason, now=work.now, actor_id=str(work.actor.user_id))
    return save_moved(work, before, moved, "WON", pipeline, opportunity_won), pipeline


async def lose_opportunity(work: UnitOfWork, id: UUID, reason: str, *, etag: str = "") -> tuple[Opportunity, Pipeline]:
    """Say that the deal went elsewhere or away."""
    before = await get_opportunity(work, id)
    check_etag(etag, before.version)
    pipeline = await pipeline_of(work, before)
    moved = before.lose(reason, now=work.now, actor_id=str(work.actor.user_id))
    return save_moved(work, before, moved, "LOST", pipeline, opportunity_lost), pipeline


async def reopen_opportunity(
    work: UnitOfWork, id: UUID, reason: str, *, etag: str = ""
) -> tuple[Opportunity, Pipeline]:
    """Take a won or lost deal up again."""
    before = await get_opportunity(work, id)
    check_etag(etag, before.version)
    pipeline = await pipeline_of(work, before)
    moved = before.reopen(reason, now=work.now, actor_id=str(work.actor.user_id))
    return save_moved(work, before, moved, "REOPENED", pipeline, opportunity_stage_changed), pipeline


async def pipeline_of(work: UnitOfWork, opportunity: Opportunity) -> Pipeline:
    """The pipeline that the opportunity moves through."""
    return (await get_pipeline(work, UUID(opportunity.pipeline_id))).pipeline


def save_moved(
    work: UnitOfWork, before: Opportunity, moved: Opportunity, action: str, pipeline: Pipeline, event: ToEvent
) -> Opportunity:
    """Write a move with its line of history and its event."""
    after = save(work, before, moved.changed(work.now), action)
    announce(work, after, event(after, pipeline))
    return after


def save(work: UnitOfWork, before: Opportunity, after: Opportunity, action: str) -> Opportunity:
    """Gather row, history and moves of a changed opportunity; it must still be what was read."""
    work.save(opportunities, stored(after), version=before.version)
    names = [name for name in changed_fields(before, after) if name not in COUNTED]
    if names:
        record_change(work, "opportunity", action=action, before=before, after=after, only=names)
    for number, move in enumerate(after.history, after.earlier_moves + 1):
        row = row_of(move)
        amount = row.pop("amount")
        money = {"amount": amount.amount, "currency_code": amount.currency_code}
        at = {"opportunity_id": after.id, "number": number, "change_time": row.pop("at")}
        work.insert(stage_changes, row | at | money)
    return after


def announce(work: UnitOfWork, opportunity: Opportunity, event: Message) -> None:
    """Gather the event of what became true of the opportunity."""
    emit(work, event, aggregate_type="opportunity", id=UUID(opportunity.id), version=opportunity.version)


def stored(opportunity: Opportunity) -> dict[str, Any]:
    """The opportunity's row."""
    row = row_of(opportunity)
    amount = row.pop("amount")
    history, earlier = row.pop("history"), row.pop("earlier_moves")
    del row["stage_entered"]
    empty = {name: row[name] or None for name in ("owner_team_id", "lead_id")}
    return (
        row
        | empty
        | {
            "amount": amount.amount,
            "currency_code": amount.currency_code,
            "stage_time": opportunity.stage_time,
            "move_count": earlier + len(history),
            "fields": dict(opportunity.fields),
            "checked": sorted(opportunity.checked),
            "team": [{"user_id": share.user_id, "percent": str(share.percent)} for share in opportunity.team],
        }
    )
