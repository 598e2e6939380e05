"""The table of exports: what the jobs that are exports have besides."""

from sqlalchemy import BigInteger, Column, DateTime, Index, MetaData, Table, Text, Uuid

from crm_kit.database.tables import Kept, tenant_table


def exports_table(metadata: MetaData) -> Table:
    """How far each export has read its list, and what its records take in the store. Its bytes are in `file_parts`."""
    table = tenant_table(
        "exports",
        metadata,
        Column("job_id", Uuid, nullable=False),
        # Of the page of the list that comes next.
        Column("page_token", Text, nullable=False),
        Column("size_bytes", BigInteger, nullable=False),
        Column("expire_time", DateTime(timezone=True), nullable=False),
        key=("job_id",),
        retention=Kept("swept a week after its end, with its bytes and their room (crm_kit/exports/sweeping.py)"),
    )
    Index("exports_expire_index", table.c.tenant_id, table.c.expire_time)
    return table
