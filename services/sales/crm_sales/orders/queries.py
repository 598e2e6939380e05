"""Every SELECT on orders that their declaration does not make."""

from typing import Any
from uuid import UUID

from crm_kit.database.statements import statement
from crm_kit.database.work import Reader
from crm_kit.identity.access import Scope
from crm_kit.resource.reading import in_turns
from sqlalchemy import Select, bindparam

from crm_sales.orders.model import Order, OrderState
from crm_sales.orders.resource import ORDERS
from crm_sales.orders.tables import orders


@statement
def open_orders_of_account() -> Select[Any]:
    return (
        ORDERS.rows(Scope.ALL)
        .where(
            orders.c.account_id == bindparam("account_id"),
            orders.c.currency_code == bindparam("currency_code"),
            orders.c.state.in_([OrderState.RELEASED.value, OrderState.PARTLY_PAID.value]),
        )
        .order_by(orders.c.due_date, orders.c.id)
    )


async def open_orders(reader: Reader, account_id: UUID, currency_code: str) -> list[Order]:
    """All orders of an account that are to be paid in a currency, whoever owns them."""
    rows = await reader.all(open_orders_of_account(), account_id=account_id, currency_code=currency_code)
    return await in_turns(rows, ORDERS.entity_from)
