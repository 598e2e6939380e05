"""What records of one kind are found by, a row for each: the same for every kind, and written in the same way."""

from collections.abc import Collection
from typing import Any
from uuid import UUID

from crm_kit.database.statements import statement
from crm_kit.database.tables import Kept, reference, tenant_table
from crm_kit.database.work import UnitOfWork
from sqlalchemy import ARRAY, Column, Index, Integer, MetaData, Table, Text, Uuid, bindparam
from sqlalchemy.dialects.postgresql import insert

from crm_customer.records.search.candidates import PENDING_KIBIBYTES, SearchTable, stored_tokens
from crm_customer.records.search.terms import RecordTexts


def search_table(search: SearchTable, metadata: MetaData, *, of: Table) -> Table:
    """Tokens, and the texts that decide between candidates; see candidates.py."""
    table = tenant_table(
        search.name,
        metadata,
        Column(search.id, Uuid, nullable=False),
        Column("tokens", ARRAY(Integer), nullable=False),
        *(Column(name, ARRAY(Text), nullable=False) for name in search.texts),
        reference(search.id, of.name, name=f"{search.name}_{search.noun}_fkey", field="id"),
        key=(search.id,),
        retention=Kept(f"a row for each {search.noun}"),
    )
    # The tenant is part of each token, so the index needs no column for it.
    Index(
        f"{search.name}_tokens_index",
        table.c.tokens,
        postgresql_using="gin",
        postgresql_with={"gin_pending_list_limit": PENDING_KIBIBYTES},
        info={"tenant_inside": True},
    )
    return table


def put_found_by(
    work: UnitOfWork,
    search: SearchTable,
    table: Table,
    id: UUID,
    texts: RecordTexts,
    tokens: Collection[str],
    *,
    put_away: bool,
) -> None:
    """Make a record findable by these texts and tokens. One that is put away takes nobody's place among the others."""
    row: dict[str, Any] = {name: getattr(texts, name) for name in search.texts}
    row |= {search.id: id, "tokens": stored_tokens(work.tenant_id, id, tokens, put_away=put_away)}
    work.execute(put_row(table), **row)


@statement
def put_row(table: Table) -> Any:
    fresh = insert(table).values({column.name: bindparam(column.name) for column in table.c})
    return fresh.on_conflict_do_update(
        index_elements=list(table.primary_key),
        set_={column.name: fresh.excluded[column.name] for column in table.c if not column.primary_key},
    )
