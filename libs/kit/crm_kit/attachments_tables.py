"""The tables of attachments, and of where their bytes are.

docs/adr/0033-files-are-parts-in-a-store.md has the reasons.
"""

from dataclasses import dataclass

from sqlalchemy import BigInteger, Boolean, Column, DateTime, Index, Integer, LargeBinary, MetaData, Table, Text, Uuid

from crm_kit.database.tables import Kept, Violation, tenant_table, versioned_columns


@dataclass(frozen=True, slots=True)
class AttachmentTables:
    """All that attachments are kept in, but the bytes."""

    attachments: Table
    uploads: Table
    parts: Table
    room: Table


def attachment_tables(metadata: MetaData) -> AttachmentTables:
    return AttachmentTables(
        attachments=_attachments(metadata),
        uploads=_uploads(metadata),
        parts=_parts(metadata),
        room=tenant_table(
            "attachment_room",
            metadata,
            # What its attachments take, and its uploads under way.
            Column("used_bytes", BigInteger, nullable=False),
            key=(),
            retention=Kept("one row for each tenant"),
        ),
    )


def _attachments(metadata: MetaData) -> Table:
    table = tenant_table(
        "attachments",
        metadata,
        Column("id", Uuid, nullable=False),
        *_place(),
        Column("name", Text, nullable=False),
        Column("description", Text, nullable=False),
        Column("size_bytes", Integer, nullable=False),
        Column("content_type", Text, nullable=False),
        Column("sha256", Text, nullable=False),
        Column("has_preview", Boolean, nullable=False),
        Column("state", Text, nullable=False),
        Column("creator_id", Uuid, nullable=False),
        Column("delete_time", DateTime(timezone=True)),
        Column("deleter_id", Uuid),
        *versioned_columns(),
        retention=Kept("the files of records, which stay"),
    )
    Index("attachments_record_index", *(table.c[name] for name in ("tenant_id", "collection", "record_id", "id")))
    return table


def _uploads(metadata: MetaData) -> Table:
    table = tenant_table(
        "attachment_uploads",
        metadata,
        Column("id", Uuid, nullable=False),
        *_place(),
        Column("name", Text, nullable=False),
        Column("description", Text, nullable=False),
        Column("size_bytes", Integer, nullable=False),
        Column("sha256", Text),
        Column("received_bytes", Integer, nullable=False),
        Column("complete", Boolean, nullable=False),
        Column("creator_id", Uuid, nullable=False),
        Column("expire_time", DateTime(timezone=True), nullable=False),
        *versioned_columns(),
        retention=Kept("swept a day after it began, with the room that it holds (crm_kit/attachments/sweeping.py)"),
    )
    Index("attachment_uploads_expire_index", table.c.tenant_id, table.c.expire_time)
    Index("attachment_uploads_record_index", *(table.c[name] for name in ("tenant_id", "collection", "record_id")))
    return table


def _parts(metadata: MetaData) -> Table:
    """Each row is an object in the store, and is there before it. Those with a `discard_time` are swept after it."""
    table = tenant_table(
        "file_parts",
        metadata,
        Column("key", Uuid, nullable=False),
        # The upload, and the attachment that became of it.
        Column("file_id", Uuid, nullable=False),
        # 0 of the file itself.
        Column("preview_pixels", Integer, nullable=False),
        Column("first_byte", Integer, nullable=False),
        Column("size_bytes", Integer, nullable=False),
        Column("digest", LargeBinary, nullable=False),
        Column("discard_time", DateTime(timezone=True)),
        key=("key",),
        retention=Kept("swept once it is no longer wanted, behind its bytes (crm_kit/attachments/sweeping.py)"),
    )
    kept = table.c.discard_time.is_(None)
    place = (table.c[name] for name in ("tenant_id", "file_id", "preview_pixels", "first_byte"))
    # Whoever comes second with the same bytes begins anew, and finds that they are there.
    taken = Violation("conflict", "CONFLICT", "offset", "others kept the same bytes at the same time")
    Index("file_parts_place_index", *place, unique=True, postgresql_where=kept, info={"violation": taken})
    Index("file_parts_discard_index", table.c.tenant_id, table.c.discard_time, postgresql_where=~kept)
    return table


def _place() -> list[Column[object]]:
    return [Column("collection", Text, nullable=False), Column("record_id", Uuid, nullable=False)]
