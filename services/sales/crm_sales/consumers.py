"""What the sales service does on events: those of the customer service and its own."""

from collections.abc import Callable
from functools import partial
from uuid import UUID

from crm.customer.v1.events_pb2 import AccountOwnerChanged
from crm.sales.v1 import events_pb2 as sales
from crm.scoring.v1 import events_pb2 as scoring
from crm_kit.accounts import account_from_pb, follow_accounts
from crm_kit.contacts import follow_contacts
from crm_kit.database.work import UnitOfWork
from crm_kit.directory.access import Directory
from crm_kit.directory.projection import follow_directory
from crm_kit.events.consumers import Consumers, Event
from crm_kit.projections import put_newest
from crm_kit.wire import EnumNames, id_from

from crm_sales.accounts.tables import account_tiers, accounts
from crm_sales.accounts.wire import value_tier_from
from crm_sales.contacts.tables import contacts
from crm_sales.opportunities.following import hand_over, note_pipeline
from crm_sales.opportunities.handovers import Handover
from crm_sales.orders.model import ReleaseCause
from crm_sales.orders.reviews import note_freed
from crm_sales.tenants.defaults import provide_defaults

# What credit became free by is what releases an order.
CAUSES = EnumNames(scoring.CreditFreed.Cause, "CAUSE_", ReleaseCause)
Wake = Callable[[], None]


def follow_events(
    consumers: Consumers, directory: Directory, *, wake: Wake, wake_following: Wake, wake_holds: Wake
) -> None:
    """Subscribe to everything.

    `wake` is called when a tenant, and so maybe its clock, has changed, `wake_following` when deals are to follow, and
    `wake_holds` when orders on hold are to be looked at again.
    """
    follow_directory(consumers, directory, wake=wake, on_tenant=provide_defaults)
    follow_accounts(
        consumers,
        accounts,
        on_owner_changed=partial(opportunities_follow, wake_following),
        on_restored=partial(look_at_held, wake_holds),
    )
    follow_contacts(consumers, contacts)
    follow_pipelines(consumers, wake_following)
    follow_credit(consumers, wake_holds)
    consumers.project(scoring.AccountScoresCreated, project_value_tier)
    consumers.project(scoring.ValueTierChanged, project_value_tier)


def project_value_tier(
    work: UnitOfWork, event: Event, payload: scoring.AccountScoresCreated | scoring.ValueTierChanged
) -> None:
    """Keep what an account is worth: price books are for accounts of a tier."""
    scores = payload.account_scores
    tier = value_tier_from(scores.value_tier.band)
    put_newest(
        work,
        account_tiers,
        {"id": UUID(scores.account_id), "value_tier": tier, "version": event.aggregate_version},
    )


async def opportunities_follow(wake: Wake, work: UnitOfWork, event: Event, changed: AccountOwnerChanged) -> None:
    """Give the new owner of an account the open opportunities that the former one has at it, unless they stay."""
    former_owner_id = id_from(changed.former_owner_id)
    account = account_from_pb(changed.account, version=event.aggregate_version)
    if former_owner_id is None or account.owner_id is None or changed.keep_opportunities:
        return
    handover = Handover(account.id, account.version, former_owner_id, account.owner_id, account.owner_team_id)
    if await hand_over(work, handover):
        work.after_commit.append(wake)


def follow_pipelines(consumers: Consumers, wake: Wake) -> None:
    """Subscribe to pipelines: open opportunities have the probability that their stage has now."""

    async def pipeline_updated(work: UnitOfWork, event: Event, updated: sales.PipelineUpdated) -> None:
        if "stages" in updated.changed_fields:
            note_pipeline(work, UUID(updated.pipeline.id), version=event.aggregate_version)
            work.after_commit.append(wake)

    consumers.on(sales.PipelineUpdated, pipeline_updated)


def look_at_held(wake: Wake, work: UnitOfWork, account_id: UUID) -> None:
    """Look at orders that nothing released, whatever became free, while their deal was lost or account archived."""
    note_freed(work, account_id, ReleaseCause.CREDIT_CHECKED)
    work.after_commit.append(wake)


def follow_credit(consumers: Consumers, wake: Wake) -> None:
    """Subscribe to credit that becomes free, and to deals that are made after all: held orders are looked at again."""

    async def credit_freed(work: UnitOfWork, _event: Event, freed: scoring.CreditFreed) -> None:
        note_freed(work, UUID(freed.account_id), CAUSES.entity(freed.cause))
        work.after_commit.append(wake)

    async def reopened(work: UnitOfWork, _event: Event, told: sales.OpportunityReopened) -> None:
        look_at_held(wake, work, UUID(told.opportunity.account_id))

    consumers.on(scoring.CreditFreed, credit_freed)
    consumers.on(sales.OpportunityReopened, reopened)
