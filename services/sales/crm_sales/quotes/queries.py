"""Every SELECT on quotes that their declaration does not make, and the numbers that they are given."""

from typing import Any

from crm_kit.database.statements import statement
from crm_kit.database.work import Reader, UnitOfWork
from crm_kit.identity.access import Scope
from sqlalchemy import Select, bindparam
from sqlalchemy.dialects.postgresql import insert

from crm_sales.quotes.model import Quote, QuoteState
from crm_sales.quotes.resource import QUOTES
from crm_sales.quotes.tables import quote_numbers, quotes

# Of the versions of a quote one at most is SENT, and one ACCEPTED.
OUT = (QuoteState.SENT, QuoteState.ACCEPTED)


@statement
def versions_out() -> Select[Any]:
    return QUOTES.rows(Scope.ALL).where(
        quotes.c.number == bindparam("number"), quotes.c.state.in_([state.value for state in OUT])
    )


async def versions_with_customer(reader: Reader, quote: Quote) -> list[Quote]:
    """The versions of a quote that the customer can accept, or has accepted, whoever owns them."""
    return [QUOTES.entity_from(row) for row in await reader.all(versions_out(), number=quote.number)]


async def next_number(work: UnitOfWork, year: int) -> int:
    """The next number of a quote. Its row is locked for this statement only; a number not used is lost.

    Call it before anything is flushed, so that it does not run inside the unit's transaction.
    """
    row = await work.one(count_up(), year=year)
    assert row is not None
    last: int = row["last"]
    return last


@statement
def count_up() -> Any:
    table = quote_numbers
    first = insert(table).values(tenant_id=bindparam("tenant_id"), year=bindparam("year"), last=1)
    return first.on_conflict_do_update(
        index_elements=[table.c.tenant_id, table.c.year], set_={"last": table.c.last + 1}
    ).returning(table.c.last)
