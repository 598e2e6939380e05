"""Tables of the built-in issuer."""

from datetime import timedelta

from crm_kit.database.tables import Clock, Kept, Retention, reference, tenant_table
from sqlalchemy import Column, DateTime, Index, Integer, LargeBinary, Text, Uuid

from crm_customer.metadata import metadata

# Keys of the platform itself, under SYSTEM_TENANT, counted from 1: two processes cannot make the same one.
signing_keys = tenant_table(
    "signing_keys",
    metadata,
    Column("number", Integer, nullable=False),
    # The thumbprint of the public key, RFC 7638.
    Column("key_id", Text, nullable=False),
    Column("public_key", LargeBinary, nullable=False),
    # Encrypted by CRM_SIGNING_KEY_SECRET: 12 bytes of nonce, then AES-256-GCM.
    Column("private_key", LargeBinary, nullable=False),
    Column("create_time", DateTime(timezone=True), nullable=False),
    # It signs from then on; it is shown before, so that everyone has it by then.
    Column("sign_time", DateTime(timezone=True), nullable=False),
    # It is shown until then; none while it is the newest.
    Column("expire_time", DateTime(timezone=True)),
    key=("number",),
    retention=Kept("a row for each key that was rotated in"),
)

# One row a sign-in: the newest token of its family.
refresh_tokens = tenant_table(
    "refresh_tokens",
    metadata,
    Column("family_id", Uuid, nullable=False),
    Column("user_id", Uuid, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("password_version", Integer, nullable=False),
    Column("create_time", DateTime(timezone=True), nullable=False),
    Column("expire_time", DateTime(timezone=True), nullable=False),
    # When the newest token took the place of the one before; none while the first one holds.
    Column("replace_time", DateTime(timezone=True)),
    # What the user signed in with; none for a password.
    Column("provider_id", Uuid),
    reference("user_id", "users", name="refresh_tokens_user_fkey", field="id"),
    reference("provider_id", "identity_providers", name="refresh_tokens_provider_fkey", field="provider_id"),
    key=("family_id",),
    retention=Retention("expire_time", timedelta(days=1), Clock.SYSTEM),
)
Index("refresh_tokens_user_index", refresh_tokens.c.tenant_id, refresh_tokens.c.user_id)

# By login and network, and by login alone, not by user: who does not exist waits like who does. Unknown tenants count
# under SYSTEM_TENANT.
sign_in_failures = tenant_table(
    "sign_in_failures",
    metadata,
    Column("login_key", LargeBinary, nullable=False),
    Column("count", Integer, nullable=False),
    Column("last_time", DateTime(timezone=True), nullable=False),
    key=("login_key",),
    retention=Retention("last_time", timedelta(days=1), Clock.SYSTEM),
)

# From where a login was signed in with lately.
sign_in_networks = tenant_table(
    "sign_in_networks",
    metadata,
    Column("login_key", LargeBinary, nullable=False),
    Column("last_time", DateTime(timezone=True), nullable=False),
    key=("login_key",),
    retention=Retention("last_time", timedelta(days=90), Clock.SYSTEM),
)
