"""Every write on opportunities. Each function is one transaction's work, unless it says otherwise."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from crm.sales.v1 import events_pb2 as events
from crm_kit.accounts import Accounts, check_in_use, require_account_in_use
from crm_kit.database.connections import row_of
from crm_kit.database.work import Reader, UnitOfWork
from crm_kit.directory.access import owned_by, require_users
from crm_kit.errors import denied
from crm_kit.identity.access import Actor, reaches
from crm_kit.ids import new_id
from crm_kit.resource.owners import given_to
from google.protobuf.message import Message

from crm_sales.opportunities.model import Opportunity, TeamShare, check_close_date, stage_change
from crm_sales.opportunities.queries import open_opportunities_at, outdated_among
from crm_sales.opportunities.resource import OPPORTUNITIES
from crm_sales.opportunities.tables import stage_changes
from crm_sales.pipelines.commands import require_unchanged
from crm_sales.pipelines.model import Pipeline, Stage
from crm_sales.pipelines.queries import pipeline_or_default
from crm_sales.pipelines.resource import PIPELINES

OVERRIDE = "opportunities.override"
# Raises unless an opportunity fits; reads as the unit does.
Require = Callable[[Reader, Opportunity], Awaitable[None]]


async def create_opportunity(work: UnitOfWork, accounts: Accounts, values: dict[str, Any]) -> Opportunity:
    """Create an opportunity; the caller becomes its owner unless one is named."""
    check_close_date(values.get("expected_close_date"), work.actor.access.day_of(work.now))
    await require_account_in_use(work, accounts, values["account_id"], field="opportunity.account_id")
    pipeline = await pipeline_or_default(work, values.pop("pipeline_id", None))
    values |= await owned_by(
        work, values.get("owner_id"), permission=OPPORTUNITIES.permission, field="opportunity.owner_id"
    )
    await require_team(work, values)
    return open_opportunity(work, pipeline, **values)


async def require_team(work: UnitOfWork, values: dict[str, Any], *, old: tuple[TeamShare, ...] = ()) -> None:
    """REFERENCE_NOT_FOUND unless everyone who comes to have a share is an active user."""
    users = [share.user_id for share in values.get("team", ())]
    old_ids = {share.user_id for share in old}
    await require_users(work, users, old_ids=old_ids, field="opportunity.team[{}].user_id")


def open_opportunity(
    work: UnitOfWork, pipeline: Pipeline, *, stage_id: UUID | None = None, **values: Any
) -> Opportunity:
    """Gather a new opportunity, in the first stage unless another is named.

    STAGE_NOT_IN_PIPELINE; ILLEGAL_STATE when it cannot begin there.
    """
    opportunity = Opportunity(
        id=new_id(),
        pipeline_id=pipeline.id,
        stage_id=pipeline.first_stage_id,
        stage_time=work.now,
        probability_percent=pipeline.stages[0].probability_percent,
        create_time=work.now,
        update_time=work.now,
        **values,
    )
    require_unchanged(work, pipeline)
    return OPPORTUNITIES.create(work, opportunity.enter(pipeline, stage_id or pipeline.first_stage_id))


async def update_opportunity(work: UnitOfWork, before: Opportunity, values: dict[str, Any]) -> Opportunity:
    """Change some fields of an opportunity; nothing is written when nothing changes."""
    check_close_date(values.get("expected_close_date"), work.actor.access.day_of(work.now))
    values |= await given_to(work, OPPORTUNITIES, before, values)
    await require_team(work, values, old=before.team)
    return OPPORTUNITIES.save(work, before, before.update(values), events.OpportunityUpdated)


async def move_opportunity(
    work: UnitOfWork, before: Opportunity, stage_id: UUID, *, override_reason: str | None
) -> Opportunity:
    """Move to another stage. Overriding exit criteria that do not hold needs `opportunities.override`."""
    pipeline = await PIPELINES.get(work, before.pipeline_id)
    check_override(work, before, before.stages_to(pipeline, stage_id), override_reason)
    after = before.move(pipeline, stage_id, now=work.now, override=override_reason is not None)
    require_unchanged(work, pipeline)
    return save_move(work, before, after, override_reason, events.OpportunityMoved)


async def win_opportunity(
    work: UnitOfWork, before: Opportunity, reason: str, *, override_reason: str | None
) -> Opportunity:
    """Win an opportunity: the deal is made. Exit criteria as in `move_opportunity`."""
    pipeline = await PIPELINES.get(work, before.pipeline_id)
    check_override(work, before, before.stages_left(pipeline), override_reason)
    after = before.win(pipeline, reason, now=work.now, override=override_reason is not None)
    require_unchanged(work, pipeline)
    told = f"{reason} ({override_reason})" if override_reason else reason
    return save_move(work, before, after, told, events.OpportunityWon)


def check_override(
    work: UnitOfWork, before: Opportunity, stages: tuple[Stage, ...], override_reason: str | None
) -> None:
    """PermissionDenied when a reason stands in for exit criteria of these stages and the caller may not do that."""
    if override_reason and before.missing(stages) and not may_override(work.actor, before):
        detail = "the permission opportunities.override is needed, in a scope that reaches the owner"
        raise denied("reaching_owner", detail, permission="opportunities.override")


def may_override(actor: Actor, opportunity: Opportunity) -> bool:
    """Whether the caller may give a reason in place of the exit criteria of this opportunity."""
    if not actor.access.may(OVERRIDE):
        return False
    return reaches(actor.access.scope(OVERRIDE), actor, opportunity.owner_id, opportunity.owner_team_id)


async def lose_opportunity(
    work: UnitOfWork, before: Opportunity, reason: str, *, require_not_ordered: Require
) -> Opportunity:
    """Lose an opportunity: the deal will not be made. Not while something of it is ordered."""
    after = save_move(work, before, before.lose(reason, now=work.now), reason, events.OpportunityLost)
    # Written before orders are looked for: whoever places one of it meanwhile waits, and finds it lost.
    await work.flush()
    await require_not_ordered(work, before)
    return after


async def reopen_opportunity(work: UnitOfWork, accounts: Accounts, before: Opportunity, reason: str) -> Opportunity:
    """Take a won or lost opportunity up again."""
    before.require_closed()
    await check_in_use(work, accounts, before.account_id)
    pipeline = await PIPELINES.get(work, before.pipeline_id)
    require_unchanged(work, pipeline)
    return save_move(work, before, before.reopen(pipeline), reason, events.OpportunityReopened)


def save_move(
    work: UnitOfWork, before: Opportunity, after: Opportunity, reason: str | None, event: type[Message]
) -> Opportunity:
    """Gather a move with its line of the stage history and its event."""
    if after == before:
        return before
    change = stage_change(before, after, now=work.now, actor_id=work.actor.user_id, reason=reason)
    amount = {"amount": change.amount.amount, "currency_code": change.amount.currency_code}
    work.insert(stage_changes, row_of(change) | {"opportunity_id": after.id} | amount)
    return OPPORTUNITIES.save(work, before, after, event, stage_change=change)


async def follow_stages(work: UnitOfWork, pipeline_id: UUID, ids: Sequence[UUID]) -> None:
    """Give these opportunities, those that are open, the probabilities that their pipeline's stages have now."""
    pipeline = await PIPELINES.get(work, pipeline_id)
    require_unchanged(work, pipeline)
    for before in await outdated_among(work, pipeline, ids):
        OPPORTUNITIES.save(work, before, before.follow(pipeline), events.OpportunityUpdated)


async def give_opportunities(
    work: UnitOfWork, account_id: UUID, from_id: UUID, owner_id: UUID, owner_team_id: UUID | None, *, limit: int
) -> int:
    """Give some of a user's open opportunities at an account to another; how many there were of them."""
    if owner_id == from_id:
        return 0
    found = await open_opportunities_at(work, account_id, owner_id=from_id, limit=limit)
    for before in found:
        after = replace(before, owner_id=owner_id, owner_team_id=owner_team_id)
        OPPORTUNITIES.save(work, before, after, events.OpportunityUpdated, following=True)
    return len(found)
