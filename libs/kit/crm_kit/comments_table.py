"""The table of comments.

docs/adr/0029-comments-are-kept-with-their-record.md has the reasons.
"""

from sqlalchemy import Column, DateTime, Index, MetaData, Table, Text, Uuid
from sqlalchemy.dialects.postgresql import ARRAY

from crm_kit.database.tables import Kept, tenant_table, versioned_columns


def comments_table(metadata: MetaData) -> Table:
    """What people say about records; of what was deleted, that it was there."""
    table = tenant_table(
        "comments",
        metadata,
        Column("id", Uuid, nullable=False),
        Column("collection", Text, nullable=False),
        Column("record_id", Uuid, nullable=False),
        Column("parent_id", Uuid),
        Column("author_id", Uuid, nullable=False),
        Column("text", Text, nullable=False),
        Column("mentioned_user_ids", ARRAY(Uuid), nullable=False),
        Column("edit_time", DateTime(timezone=True)),
        Column("delete_time", DateTime(timezone=True)),
        Column("deleter_id", Uuid),
        *versioned_columns(),
        retention=Kept("the discussion of records, which stay"),
    )
    Index("comments_record_index", *(table.c[name] for name in ("tenant_id", "collection", "record_id", "id")))
    return table
