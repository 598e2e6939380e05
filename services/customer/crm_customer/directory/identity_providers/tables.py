"""Tables of identity providers."""

from crm_kit.database.tables import Kept, reference, tenant_table, unique, versioned_columns
from sqlalchemy import ARRAY, Boolean, Column, DateTime, Index, LargeBinary, Text, Uuid

from crm_customer.metadata import metadata

identity_providers = tenant_table(
    "identity_providers",
    metadata,
    Column("id", Uuid, nullable=False),
    Column("display_name", Text, nullable=False),
    Column("display_name_key", Text, nullable=False),
    Column("issuer", Text, nullable=False),
    Column("client_id", Text),
    Column("login_claim", Text, nullable=False),
    Column("domains", ARRAY(Text), nullable=False),
    Column("domains_key", ARRAY(Text), nullable=False),
    Column("active", Boolean, nullable=False),
    Column("client_secret_time", DateTime(timezone=True)),
    *versioned_columns(),
    unique(
        "identity_providers_issuer_key",
        "issuer",
        reason="ALREADY_EXISTS",
        field="identity_provider.issuer",
        detail="another identity provider has this issuer",
    ),
)
Index(
    "identity_providers_create_time_index",
    identity_providers.c.tenant_id,
    identity_providers.c.create_time,
    identity_providers.c.id,
)
Index(
    "identity_providers_update_time_index",
    identity_providers.c.tenant_id,
    identity_providers.c.update_time,
    identity_providers.c.id,
)
Index(
    "identity_providers_display_name_index",
    identity_providers.c.tenant_id,
    identity_providers.c.display_name_key,
    identity_providers.c.id,
)

# Beside the providers, so that no list or history ever carries one.
client_secrets = tenant_table(
    "client_secrets",
    metadata,
    Column("provider_id", Uuid, nullable=False),
    # Encrypted by CRM_SIGNING_KEY_SECRET: 12 bytes of nonce, then AES-256-GCM.
    Column("secret", LargeBinary, nullable=False),
    reference("provider_id", "identity_providers", name="client_secrets_provider_fkey", field="id"),
    key=("provider_id",),
    retention=Kept("a row for each identity provider"),
)
