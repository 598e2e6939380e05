"""Tables of mailboxes: what people set, where fetching has come to, and what could not be taken in."""

from datetime import timedelta

from crm_kit.database.tables import Clock, Kept, Retention, reference, tenant_table, versioned_columns
from sqlalchemy import BigInteger, Boolean, Column, DateTime, Index, Integer, LargeBinary, Text, Uuid, text

from crm_service_desk.metadata import metadata

mailboxes = tenant_table(
    "mailboxes",
    metadata,
    Column("id", Uuid, nullable=False),
    Column("channel_id", Uuid, nullable=False),
    Column("state", Text, nullable=False),
    Column("host", Text, nullable=False),
    Column("host_key", Text, nullable=False),
    Column("port", Integer, nullable=False),
    Column("login", Text, nullable=False),
    Column("folder", Text, nullable=False),
    Column("password_time", DateTime(timezone=True)),
    Column("failure", Text),
    Column("failing_since_time", DateTime(timezone=True)),
    Column("smtp_host", Text),
    Column("smtp_port", Integer),
    Column("smtp_security", Text, nullable=False, server_default="TLS"),
    Column("smtp_login", Text),
    Column("sending_failure", Text),
    Column("sending_failing_since_time", DateTime(timezone=True)),
    *versioned_columns(),
    reference("channel_id", "channels", name="mailboxes_channel_fkey", field="mailbox.channel_id"),
)


def _index(name: str, *columns: str) -> None:
    Index(f"mailboxes_{name}_index", mailboxes.c.tenant_id, *(mailboxes.c[column] for column in columns))


_index("create_time", "create_time", "id")
_index("update_time", "update_time", "id")
_index("channel", "channel_id")

# Beside the mailboxes, so that no list or history ever carries one.
mailbox_passwords = tenant_table(
    "mailbox_passwords",
    metadata,
    Column("mailbox_id", Uuid, nullable=False),
    # Encrypted by CRM_CHANNEL_KEY_SECRET: 12 bytes of nonce, then AES-256-GCM.
    Column("password", LargeBinary, nullable=False),
    reference("mailbox_id", "mailboxes", name="mailbox_passwords_mailbox_fkey", field="id"),
    key=("mailbox_id",),
    retention=Kept("a row for each mailbox that is fetched"),
)

# Where fetching has come to; what is due is looked for across tenants.
mailbox_positions = tenant_table(
    "mailbox_positions",
    metadata,
    Column("mailbox_id", Uuid, nullable=False),
    # When it is fetched next, by the machines' clock; null while it is not fetched.
    Column("due_time", DateTime(timezone=True)),
    # Numbers of mails mean the same as long as this one stays, which the server gives; null before the first time.
    Column("uid_validity", BigInteger),
    # Up to this number mails were there when it was first fetched: of those, only what nobody had seen is taken.
    Column("first_uid_next", BigInteger, nullable=False, server_default="1"),
    # All up to this number are taken, or put aside.
    Column("last_uid", BigInteger, nullable=False, server_default="0"),
    # Failures one after the other, and whether somebody has been told of them.
    Column("failure_count", Integer, nullable=False, server_default="0"),
    Column("told", Boolean, nullable=False, server_default="false"),
    # Whether somebody has been told that it cannot send.
    Column("sending_told", Boolean, nullable=False, server_default="false"),
    reference("mailbox_id", "mailboxes", name="mailbox_positions_mailbox_fkey", field="id"),
    key=("mailbox_id",),
    plumbing=True,
    retention=Kept("a row for each mailbox"),
)
Index(
    "mailbox_positions_due_index",
    mailbox_positions.c.due_time,
    postgresql_where=text("due_time IS NOT NULL"),
    info={"across_tenants": True},
)

# What could not be taken in, and is in the mailbox still.
set_aside_mails = tenant_table(
    "set_aside_mails",
    metadata,
    Column("id", Uuid, nullable=False),
    Column("mailbox_id", Uuid, nullable=False),
    Column("uid_validity", BigInteger, nullable=False),
    Column("uid", BigInteger, nullable=False),
    Column("reason", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("create_time", DateTime(timezone=True), nullable=False),
    reference("mailbox_id", "mailboxes", name="set_aside_mails_mailbox_fkey", field="id"),
    retention=Retention("create_time", timedelta(days=90), Clock.TENANT),
)
Index(
    "set_aside_mails_uid_index",
    *(set_aside_mails.c[name] for name in ("tenant_id", "mailbox_id", "uid_validity", "uid")),
    unique=True,
)
Index(
    "set_aside_mails_create_time_index",
    *(set_aside_mails.c[name] for name in ("tenant_id", "mailbox_id", "create_time", "id")),
)
