"""What the sales service does on events: those of the customer service and its own."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from crm.customer.v1 import accounts_pb2
from crm.customer.v1 import events_pb2 as customer
from crm.sales.v1 import events_pb2 as sales
from crm_kit.database.work import UnitOfWork
from crm_kit.directory.access import Directory
from crm_kit.directory.projection import follow_directory
from crm_kit.events.consumers import Consumers, Event
from crm_kit.events.payloads import events_carrying
from crm_kit.wire import id_from

from crm_sales.accounts.commands import project_account
from crm_sales.opportunities.commands import follow_pipeline
from crm_sales.tenants.defaults import provide_defaults


def follow_events(consumers: Consumers, directory: Directory, *, wake: Callable[[], None]) -> None:
    """Subscribe to everything; `wake` is called when a tenant, and so maybe its clock, has changed."""
    follow_directory(consumers, directory, wake=wake, on_tenant=provide_defaults)
    follow_accounts(consumers)
    follow_pipelines(consumers)


def follow_accounts(consumers: Consumers) -> None:
    """Subscribe to accounts."""

    async def account_changed(work: UnitOfWork, event: Event, payload: Any) -> None:
        put_account(work, event, payload.account)

    for payload in events_carrying(customer, accounts_pb2.Account):
        consumers.on(payload, account_changed)


def put_account(work: UnitOfWork, event: Event, account: accounts_pb2.Account) -> None:
    """Know the account as the event says it is."""
    project_account(
        work,
        id=UUID(account.id),
        display_name=account.display_name,
        owner_id=id_from(account.owner_id),
        owner_team_id=id_from(account.owner_team_id),
        version=event.aggregate_version,
    )


def follow_pipelines(consumers: Consumers) -> None:
    """Subscribe to pipelines: open opportunities have the probability that their stage has now."""

    async def pipeline_updated(work: UnitOfWork, _event: Event, updated: sales.PipelineUpdated) -> None:
        if "stages" in updated.changed_fields:
            await follow_pipeline(work, UUID(updated.pipeline.id))

    consumers.on(sales.PipelineUpdated, pipeline_updated)
