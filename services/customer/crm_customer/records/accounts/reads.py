"""The log of who has read restricted accounts: written before they are shown, so that nobody reads one unnoted."""

import enum
from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from crm_kit.database.statements import statement
from crm_kit.database.work import Reader, UnitOfWork, unit_of_work
from crm_kit.filtering.schema import FilterField, FilterSchema, enum_field, user_field
from crm_kit.filtering.tree import FieldType
from crm_kit.identity.access import Scope
from crm_kit.ids import new_id
from crm_kit.listing import Listing
from crm_kit.paging import OrderColumn
from crm_kit.resource.label import Shown
from sqlalchemy import Select, Text, bindparam, column, func, select
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.types import DateTime, Uuid

from crm_customer.records.accounts.tables import account_reads

MINUTE = timedelta(minutes=1)


class Method(enum.StrEnum):
    """How somebody came to read an account."""

    GET = "GET"
    BATCH_GET = "BATCH_GET"
    LIST = "LIST"
    SEARCH = "SEARCH"
    AS_OF = "AS_OF"
    CHANGES = "CHANGES"
    EXPORT = "EXPORT"


METHODS = {
    Shown.RECORD: Method.GET,
    Shown.RECORDS: Method.BATCH_GET,
    Shown.PAGE: Method.LIST,
    Shown.FOUND: Method.SEARCH,
    Shown.PAST: Method.AS_OF,
    Shown.CHANGES: Method.CHANGES,
    Shown.EXPORTED: Method.EXPORT,
}


async def note_reads(reader: Reader, opened: Sequence[Any], how: Shown) -> None:
    """Note that the reader is shown these restricted accounts, all of them in one statement.

    Once a minute for each account and method: a page that is loaded again and again is one entry. It is true before
    the answer leaves, and where it cannot be written nothing is shown. A process that dies leaves an entry too many, of
    an answer that nobody got, and never one too few.
    """
    values: dict[str, Any] = {
        "ids": [new_id() for _ in opened],
        # In one order, so that two pages that are read at once do not wait for each other.
        "account_ids": sorted(UUID(each.id) for each in opened),
        "method": METHODS[how],
        "read_time": reader.now.replace(second=0, microsecond=0),
    }
    if isinstance(reader, UnitOfWork):
        reader.execute(put_reads(), **values)
        return
    async with unit_of_work(reader.database, reader.actor, scope=Scope.OWN, now=reader.now) as work:
        work.execute(put_reads(), **values)


@statement
def put_reads() -> Any:
    arrays = (bindparam(name, type_=ARRAY(Uuid)) for name in ("ids", "account_ids"))
    each = func.unnest(*arrays).table_valued(column("id", Uuid), column("account_id", Uuid)).render_derived()
    rows = select(
        bindparam("tenant_id", type_=Uuid),
        each.c.id,
        each.c.account_id,
        bindparam("me", type_=Uuid),
        bindparam("method", type_=Text),
        bindparam("read_time", type_=DateTime(timezone=True)),
    )
    names = ["tenant_id", "id", "account_id", "user_id", "method", "read_time"]
    return insert(account_reads).from_select(names, rows).on_conflict_do_nothing()


def _of_account(_scope: Scope, _filtered_by: frozenset[str]) -> Select[Any]:
    """Of one account, the whole of which the caller has been found to see."""
    return select(account_reads).where(
        account_reads.c.tenant_id == bindparam("tenant_id"), account_reads.c.account_id == bindparam("account_id")
    )


READS = Listing(
    name="account_reads",
    rows=_of_account,
    fields=FilterSchema(
        {
            "user_id": user_field(account_reads.c.user_id),
            "method": enum_field(account_reads.c.method, list(Method), prefix="METHOD_"),
            "read_time": FilterField(FieldType.INSTANT, account_reads.c.read_time),
        }
    ),
    orders={"id": OrderColumn(account_reads.c.id), "read_time": OrderColumn(account_reads.c.read_time)},
    default_order="read_time desc",
)
