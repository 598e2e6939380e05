"""What the sales service does on the events of others."""

from typing import Any
from uuid import UUID

from crm.customer.v1 import accounts_pb2
from crm.customer.v1 import events_pb2 as customer
from crm_kit.database.work import UnitOfWork
from crm_kit.events.consumers import Consumers, Event
from crm_kit.events.payloads import events_carrying

from crm_sales.accounts.commands import project_account


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
        status=accounts_pb2.Account.Status.Name(account.status).removeprefix("STATUS_"),
        owner_id=UUID(account.owner_id) if account.owner_id else None,
        owner_team_id=UUID(account.owner_team_id) if account.owner_team_id else None,
        version=event.aggregate_version,
    )
