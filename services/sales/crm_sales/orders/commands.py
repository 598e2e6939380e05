"""Every write on orders. Each function is one transaction's work."""

from typing import Any
from uuid import UUID

from crm_kit.database.connections import row_of
from crm_kit.database.work import UnitOfWork
from crm_kit.directory.access import owner_team
from crm_kit.errors import invalid_field
from crm_kit.etags import check_etag
from crm_kit.events.outbox import emit
from crm_kit.history import changed_fields, record_change
from crm_kit.ids import new_id
from google.protobuf.message import Message

from crm_sales.accounts.commands import require_account
from crm_sales.accounts.wire import Customer
from crm_sales.credit.wire import Credit
from crm_sales.opportunities.queries import opportunity_by_id
from crm_sales.orders.model import Order, OrderState
from crm_sales.orders.queries import get_order, stored_line
from crm_sales.orders.tables import orders
from crm_sales.orders.wire import order_cancelled, order_held, order_placed, order_released


async def create_order(work: UnitOfWork, customer: Customer, values: dict[str, Any]) -> Order:
    """Draft an order for an account, or for the account of an opportunity."""
    values["account_id"] = await buyer(work, customer, values["account_id"], values["opportunity_id"])
    owner_id = values["owner_id"] or str(work.actor.user_id)
    team_id = await owner_team(work, UUID(owner_id), field="order.owner_id")
    owned = {"owner_id": owner_id, "owner_team_id": str(team_id or "")}
    order = Order(id=str(new_id()), create_time=work.now, update_time=work.now, **values | owned)
    work.insert(orders, stored(order))
    record_change(work, "order", action="CREATED", before=None, after=order)
    return order


async def buyer(work: UnitOfWork, customer: Customer, account_id: str, opportunity_id: str) -> str:
    """The account that buys: the opportunity's, or the one named if it exists for the caller."""
    if opportunity_id:
        scope = work.actor.access.scope("opportunities.read")
        row = await work.one(opportunity_by_id(scope), id=opportunity_id)
        if row is None:
            raise invalid_field("order.opportunity_id", "reference", "does not exist", reason="REFERENCE_NOT_FOUND")
        if account_id and account_id != str(row["account_id"]):
            raise invalid_field("order.account_id", "same_account", "is not the opportunity's account")
        return str(row["account_id"])
    if not account_id:
        raise invalid_field("order.account_id", "required", "say for which account, or of which opportunity")
    await require_account(work, customer, account_id, field="order.account_id")
    return account_id


async def place_order(work: UnitOfWork, credit: Credit, id: UUID, *, etag: str = "") -> Order:
    """Place a draft. No connection is held while scoring is asked for credit."""
    before = await get_order(work, id)
    check_etag(etag, before.version)
    # Says what is wrong before anybody is asked.
    before.place((), now=work.now)
    await work.release()
    placed = before.place(await credit.hold_reasons(before), now=work.now)
    events = [order_placed, order_held if placed.state is OrderState.ON_HOLD else order_released]
    return save(work, before, placed, "PLACED", *events)


async def release_order(work: UnitOfWork, id: UUID, reason: str, *, etag: str = "") -> Order:
    """Let a held order go."""
    before = await get_order(work, id)
    check_etag(etag, before.version)
    after = before.let_go(reason, now=work.now, actor_id=str(work.actor.user_id))
    return save(work, before, after, "RELEASED", order_released)


async def cancel_order(work: UnitOfWork, id: UUID, reason: str, *, etag: str = "") -> Order:
    """Cancel an order."""
    before = await get_order(work, id)
    check_etag(etag, before.version)
    return save(work, before, before.cancel(reason), "CANCELLED", order_cancelled)


def save(work: UnitOfWork, before: Order, after: Order, action: str, *events: Any) -> Order:
    """Gather row, history and events of a changed order; it must still be what was read."""
    after = after.changed(work.now)
    work.save(orders, stored(after), version=before.version)
    record_change(work, "order", action=action, before=before, after=after, only=changed_fields(before, after))
    for event in events:
        announce(work, after, event(after))
    return after


def announce(work: UnitOfWork, order: Order, event: Message) -> None:
    """Gather the event of what became true of the order."""
    emit(work, event, aggregate_type="order", id=UUID(order.id), version=order.version)


def stored(order: Order) -> dict[str, Any]:
    """The order's row."""
    row = row_of(order)
    del row["paid"]
    release = order.release
    empty = {name: row[name] or None for name in ("opportunity_id", "owner_team_id")}
    return (
        row
        | empty
        | {
            "lines": [stored_line(line) for line in order.lines],
            "hold_reasons": [row_of(reason) for reason in order.hold_reasons],
            "release": None if release is None else row_of(release),
            "gross_amount": order.gross.amount,
            "paid_amount": order.paid_amount.amount,
            "due_date": order.due_date,
        }
    )
