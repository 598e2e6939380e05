"""Table of channels."""

from crm_kit.database.tables import Kept, reference, tenant_table, versioned_columns
from sqlalchemy import Column, DateTime, Index, Integer, LargeBinary, Text, Uuid, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from crm_service_desk.metadata import metadata

channels = tenant_table(
    "channels",
    metadata,
    Column("id", Uuid, nullable=False),
    Column("display_name", Text, nullable=False),
    Column("display_name_key", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("addresses", ARRAY(Text), nullable=False),
    Column("case_opening", Text, nullable=False),
    Column("case_kind", Text, nullable=False),
    Column("hourly_limit", Integer, nullable=False),
    Column("secret_time", DateTime(timezone=True)),
    # Whose telephone each extension is.
    Column("extensions", JSONB, nullable=False, server_default=text("'[]'")),
    Column("recording_hosts", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    *versioned_columns(),
)


def _index(name: str, *columns: str) -> None:
    Index(f"channels_{name}_index", channels.c.tenant_id, *(channels.c[column] for column in columns))


_index("display_name", "display_name_key", "id")
_index("create_time", "create_time", "id")
_index("update_time", "update_time", "id")

# Beside the channels, so that no list or history ever carries one.
channel_secrets = tenant_table(
    "channel_secrets",
    metadata,
    Column("channel_id", Uuid, nullable=False),
    # Encrypted by CRM_CHANNEL_KEY_SECRET: 12 bytes of nonce, then AES-256-GCM.
    Column("secret", LargeBinary, nullable=False),
    # The one before, which holds, too, until this time on the tenant's clock.
    Column("old_secret", LargeBinary),
    Column("old_until_time", DateTime(timezone=True)),
    reference("channel_id", "channels", name="channel_secrets_channel_fkey", field="id"),
    key=("channel_id",),
    plumbing=True,
    retention=Kept("a row for each channel with a secret"),
)
# Whose a channel is: what is signed says only by which it comes.
Index("channel_secrets_channel_index", channel_secrets.c.channel_id, info={"across_tenants": True})
