"""Mails on their way to the server. docs/adr/0025-notices-are-raised-and-kept.md has the reasons."""

from datetime import timedelta

from sqlalchemy import Column, DateTime, Index, Integer, LargeBinary, MetaData, Table, Text, Uuid, func, text
from sqlalchemy.dialects.postgresql import ARRAY

from crm_kit.database.tables import Clock, Retention, tenant_table


def mails_table(metadata: MetaData) -> Table:
    """What is to be sent to whom; `file_names`, `media_types` and `contents` are attachments, one after the other."""
    table = tenant_table(
        "outgoing_mails",
        metadata,
        Column("id", Uuid, nullable=False),
        # Those to whom it is still to go; `refused` are those whom it did not reach.
        Column("recipients", ARRAY(Text), nullable=False),
        # In the header, whoever has it by now.
        Column("addressed_to", ARRAY(Text), nullable=False),
        Column("refused", ARRAY(Text), nullable=False),
        Column("subject", Text, nullable=False),
        Column("text", Text, nullable=False),
        Column("file_names", ARRAY(Text), nullable=False),
        Column("media_types", ARRAY(Text), nullable=False),
        Column("contents", ARRAY(LargeBinary), nullable=False),
        Column("state", Text, nullable=False),
        Column("reason", Text),
        Column("attempts", Integer, nullable=False),
        Column("next_attempt_time", DateTime(timezone=True), nullable=False),
        # Until when who tries it now has it for themselves; it lapses with them.
        Column("claim_end_time", DateTime(timezone=True)),
        # By the clock of the service, as all times of attempts.
        Column("gather_time", DateTime(timezone=True), nullable=False),
        Column("create_time", DateTime(timezone=True), nullable=False, server_default=func.now()),
        plumbing=True,
        retention=Retention("create_time", timedelta(days=30), Clock.SYSTEM),
    )
    waiting = text("state = 'WAITING'")
    Index(
        "outgoing_mails_next_index",
        table.c.next_attempt_time,
        postgresql_where=waiting,
        info={"across_tenants": True},
    )
    Index("outgoing_mails_due_index", table.c.tenant_id, table.c.next_attempt_time, postgresql_where=waiting)
    Index(
        "outgoing_mails_claimed_index",
        table.c.tenant_id,
        table.c.claim_end_time,
        postgresql_where=table.c.claim_end_time.is_not(None),
    )
    return table
