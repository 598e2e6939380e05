"""What the service desk does on events of the other services."""

from collections.abc import Callable
from uuid import UUID

from crm.scoring.v1 import events_pb2 as scoring
from crm_kit.accounts import follow_accounts
from crm_kit.contacts import follow_contacts
from crm_kit.database.work import UnitOfWork
from crm_kit.directory.access import Directory
from crm_kit.directory.projection import follow_directory
from crm_kit.events.consumers import Consumers, Event

from crm_service_desk.accounts.commands import put_value_tier
from crm_service_desk.accounts.tables import accounts
from crm_service_desk.accounts.wire import value_tier_from
from crm_service_desk.addresses.commands import keep_account, keep_contact
from crm_service_desk.contacts.tables import contacts
from crm_service_desk.defaults import make_defaults


def follow_events(consumers: Consumers, directory: Directory, *, wake: Callable[[], None]) -> None:
    """Subscribe to the directory and to accounts; `wake` is called when a tenant's clock may have moved."""
    follow_directory(consumers, directory, wake=wake, on_tenant=make_defaults)
    follow_accounts(consumers, accounts, on_changed=keep_account)
    follow_contacts(consumers, contacts, on_changed=keep_contact)
    consumers.project(scoring.AccountScoresCreated, project_value_tier)
    consumers.project(scoring.ValueTierChanged, project_value_tier)


def project_value_tier(
    work: UnitOfWork, event: Event, payload: scoring.AccountScoresCreated | scoring.ValueTierChanged
) -> None:
    """Keep what an account is worth: conditions of service levels can test it."""
    scores = payload.account_scores
    tier = value_tier_from(scores.value_tier.band)
    put_value_tier(work, UUID(scores.account_id), tier, version=event.aggregate_version)
