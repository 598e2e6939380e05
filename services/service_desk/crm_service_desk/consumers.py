"""What the service desk does on events of the other services."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from crm.customer.v1 import accounts_pb2
from crm.customer.v1 import events_pb2 as customer
from crm.scoring.v1 import events_pb2 as scoring
from crm_kit.database.work import UnitOfWork
from crm_kit.directory.access import Directory
from crm_kit.directory.projection import follow_directory
from crm_kit.events.consumers import Consumers, Event
from crm_kit.events.payloads import events_carrying

from crm_service_desk.accounts.commands import put_account, put_value_tier
from crm_service_desk.accounts.wire import account_from, value_tier_from
from crm_service_desk.defaults import make_defaults


def follow_events(consumers: Consumers, directory: Directory, *, wake: Callable[[], None]) -> None:
    """Subscribe to the directory and to accounts; `wake` is called when a tenant's clock may have moved."""
    follow_directory(consumers, directory, wake=wake, on_tenant=make_defaults)
    for payload in events_carrying(customer, accounts_pb2.Account):
        consumers.on(payload, project_account)
    consumers.on(scoring.ValueTierChanged, project_value_tier)


async def project_account(work: UnitOfWork, event: Event, payload: Any) -> None:
    """Keep what cases need to know of an account."""
    put_account(work, account_from(payload.account, version=event.aggregate_version))


async def project_value_tier(work: UnitOfWork, event: Event, payload: scoring.ValueTierChanged) -> None:
    """Keep what an account is worth: conditions of service levels can test it."""
    scores = payload.account_scores
    tier = value_tier_from(scores.value_tier.band)
    put_value_tier(work, UUID(scores.account_id), tier, version=event.aggregate_version)
