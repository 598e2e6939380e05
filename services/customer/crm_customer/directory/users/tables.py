"""Tables of users."""

from crm_kit.database.tables import Kept, reference, tenant_table, unique, versioned_columns
from sqlalchemy import Boolean, Column, DateTime, Index, Integer, Text, UniqueConstraint, Uuid
from sqlalchemy.dialects.postgresql import ARRAY

from crm_customer.metadata import metadata

users = tenant_table(
    "users",
    metadata,
    Column("id", Uuid, nullable=False),
    Column("display_name", Text, nullable=False),
    Column("display_name_key", Text, nullable=False),
    Column("login", Text, nullable=False),
    Column("login_key", Text, nullable=False),
    Column("active", Boolean, nullable=False),
    Column("team_id", Uuid),
    Column("role_ids", ARRAY(Uuid), nullable=False),
    Column("password_time", DateTime(timezone=True)),
    *versioned_columns(),
    reference("team_id", "teams", name="users_team_fkey", field="user.team_id"),
    unique(
        "users_login_key",
        "login",
        reason="ALREADY_EXISTS",
        field="user.login",
        detail="another user has this login already",
    ),
    retention=Kept("the people of the tenant"),
)
Index("users_create_time_index", users.c.tenant_id, users.c.create_time, users.c.id)
Index("users_update_time_index", users.c.tenant_id, users.c.update_time, users.c.id)
Index("users_display_name_index", users.c.tenant_id, users.c.display_name_key, users.c.id)
Index("users_team_index", users.c.tenant_id, users.c.team_id)

# Beside the users, so that no list or history ever carries a hash.
user_passwords = tenant_table(
    "user_passwords",
    metadata,
    Column("user_id", Uuid, nullable=False),
    # Argon2id, in the PHC string format; none for who signs in with an identity provider only.
    Column("hash", Text),
    # Refresh tokens hold for one version only: another one ends them all.
    Column("version", Integer, nullable=False),
    reference("user_id", "users", name="user_passwords_user_fkey", field="id"),
    key=("user_id",),
    retention=Kept("a row for each user"),
)

# Whom the users are at identity providers: the subject stays the same person's, a login may pass to somebody else.
user_identities = tenant_table(
    "user_identities",
    metadata,
    Column("provider_id", Uuid, nullable=False),
    Column("subject", Text, nullable=False),
    Column("user_id", Uuid, nullable=False),
    Column("create_time", DateTime(timezone=True), nullable=False),
    reference("user_id", "users", name="user_identities_user_fkey", field="user_id"),
    reference("provider_id", "identity_providers", name="user_identities_provider_fkey", field="provider_id"),
    UniqueConstraint("tenant_id", "user_id", "provider_id", name="user_identities_user_key"),
    key=("provider_id", "subject"),
    retention=Kept("a row for each user and identity provider"),
)
