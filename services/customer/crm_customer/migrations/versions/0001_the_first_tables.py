"""The first tables."""

import sqlalchemy as sa
from alembic import op
from crm_customer.records.search.candidates import ACCOUNT_SEARCH, CONTACT_SEARCH
from crm_kit.migrating import protected
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "approval_delegations",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("owner_id", sa.Uuid(), nullable=False),
        sa.Column("owner_team_id", sa.Uuid(), nullable=True),
        sa.Column("deputy_id", sa.Uuid(), nullable=False),
        sa.Column("first_date", sa.Date(), nullable=False),
        sa.Column("last_date", sa.Date(), nullable=False),
        sa.Column("collection", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="approval_delegations_pkey"),
    )
    op.create_index(
        "approval_delegations_create_time_index",
        "approval_delegations",
        ["tenant_id", "create_time", "id"],
        unique=False,
    )
    op.create_index(
        "approval_delegations_first_date_index", "approval_delegations", ["tenant_id", "first_date", "id"], unique=False
    )
    op.create_index(
        "approval_delegations_last_date_index", "approval_delegations", ["tenant_id", "last_date", "id"], unique=False
    )
    op.create_table(
        "accounts",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("display_name", sa.Text(), nullable=False),
        sa.Column("display_name_key", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("status_before_archive", sa.Text(), nullable=True),
        sa.Column("legal_name", sa.Text(), nullable=True),
        sa.Column("legal_name_key", sa.Text(), nullable=True),
        sa.Column("short_name", sa.Text(), nullable=True),
        sa.Column("credit_code", sa.Text(), nullable=True),
        sa.Column("roles", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("industry", sa.Text(), nullable=True),
        sa.Column("industry_key", sa.Text(), nullable=True),
        sa.Column("employee_count", sa.Integer(), nullable=True),
        sa.Column("region_code", sa.Text(), nullable=True),
        sa.Column("addresses", postgresql.JSONB(), nullable=False),
        sa.Column("phone_numbers", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("emails", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("emails_key", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("website", sa.Text(), nullable=True),
        sa.Column("source", sa.Text(), nullable=True),
        sa.Column("source_key", sa.Text(), nullable=True),
        sa.Column("parent_id", sa.Uuid(), nullable=True),
        sa.Column("owner_id", sa.Uuid(), nullable=True),
        sa.Column("owner_team_id", sa.Uuid(), nullable=True),
        sa.Column("external_ids", postgresql.JSONB(), nullable=False),
        sa.Column("tags", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("preferences", sa.Text(), nullable=True),
        sa.Column("taboos", sa.Text(), nullable=True),
        sa.Column("consents", postgresql.JSONB(), nullable=False),
        sa.Column("competitor_profile", postgresql.JSONB(), nullable=True),
        sa.Column("merged_into_id", sa.Uuid(), nullable=True),
        sa.Column("custom", postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("last_contact_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("value_tier", sa.Text(), nullable=True),
        sa.Column("value_tier_version", sa.Integer(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "parent_id"], ["accounts.tenant_id", "accounts.id"], name="accounts_parent_fkey"
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="accounts_pkey"),
    )
    op.create_index(
        "accounts_credit_code_index",
        "accounts",
        ["tenant_id", "credit_code"],
        unique=False,
        postgresql_where=sa.text("credit_code IS NOT NULL"),
    )
    op.create_index("accounts_create_time_index", "accounts", ["tenant_id", "create_time", "id"], unique=False)
    op.create_index("accounts_display_name_index", "accounts", ["tenant_id", "display_name_key", "id"], unique=False)
    op.create_index(
        "accounts_last_contact_time_index", "accounts", ["tenant_id", "last_contact_time", "id"], unique=False
    )
    op.create_index("accounts_owner_index", "accounts", ["tenant_id", "owner_id", "create_time", "id"], unique=False)
    op.create_index(
        "accounts_owner_team_index", "accounts", ["tenant_id", "owner_team_id", "create_time"], unique=False
    )
    op.create_index("accounts_parent_index", "accounts", ["tenant_id", "parent_id"], unique=False)
    op.create_index("accounts_update_time_index", "accounts", ["tenant_id", "update_time", "id"], unique=False)
    op.create_table(
        "contacts",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("display_name", sa.Text(), nullable=False),
        sa.Column("display_name_key", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("job_title", sa.Text(), nullable=True),
        sa.Column("job_title_key", sa.Text(), nullable=True),
        sa.Column("department", sa.Text(), nullable=True),
        sa.Column("department_key", sa.Text(), nullable=True),
        sa.Column("phone_numbers", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("emails", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("emails_key", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("birth_date", sa.Date(), nullable=True),
        sa.Column("reports_to_id", sa.Uuid(), nullable=True),
        sa.Column("preferences", sa.Text(), nullable=True),
        sa.Column("taboos", sa.Text(), nullable=True),
        sa.Column("consents", postgresql.JSONB(), nullable=False),
        sa.Column("owner_id", sa.Uuid(), nullable=True),
        sa.Column("owner_team_id", sa.Uuid(), nullable=True),
        sa.Column("custom", postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "reports_to_id"], ["contacts.tenant_id", "contacts.id"], name="contacts_reports_to_fkey"
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="contacts_pkey"),
    )
    op.create_index("contacts_create_time_index", "contacts", ["tenant_id", "create_time", "id"], unique=False)
    op.create_index("contacts_display_name_index", "contacts", ["tenant_id", "display_name_key", "id"], unique=False)
    op.create_index("contacts_owner_index", "contacts", ["tenant_id", "owner_id", "create_time", "id"], unique=False)
    op.create_index(
        "contacts_owner_team_index", "contacts", ["tenant_id", "owner_team_id", "create_time"], unique=False
    )
    op.create_index("contacts_reports_to_index", "contacts", ["tenant_id", "reports_to_id"], unique=False)
    op.create_index("contacts_update_time_index", "contacts", ["tenant_id", "update_time", "id"], unique=False)
    op.create_table(
        "roles",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("display_name", sa.Text(), nullable=False),
        sa.Column("display_name_key", sa.Text(), nullable=False),
        sa.Column("grants", postgresql.JSONB(), nullable=False),
        sa.Column("built_in", sa.Boolean(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="roles_pkey"),
        sa.UniqueConstraint("tenant_id", "display_name", name="roles_display_name_key"),
    )
    op.create_index("roles_create_time_index", "roles", ["tenant_id", "create_time", "id"], unique=False)
    op.create_index("roles_display_name_index", "roles", ["tenant_id", "display_name_key", "id"], unique=False)
    op.create_index("roles_update_time_index", "roles", ["tenant_id", "update_time", "id"], unique=False)
    op.create_table(
        "former_teams",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("team_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "user_id", "team_id", name="former_teams_pkey"),
    )
    op.create_table(
        "policy_references",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("policy_id", sa.Uuid(), nullable=False),
        sa.Column("role_ids", postgresql.ARRAY(sa.Uuid()), nullable=False),
        sa.Column("user_ids", postgresql.ARRAY(sa.Uuid()), nullable=False),
        sa.Column("asks_leaders", sa.Boolean(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "policy_id", name="policy_references_pkey"),
    )
    op.create_table(
        "sign_in_failures",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("login_key", sa.LargeBinary(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("last_time", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "login_key", name="sign_in_failures_pkey"),
    )
    op.create_index("sign_in_failures_retention_index", "sign_in_failures", ["tenant_id", "last_time"], unique=False)
    op.create_table(
        "sign_in_networks",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("login_key", sa.LargeBinary(), nullable=False),
        sa.Column("last_time", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "login_key", name="sign_in_networks_pkey"),
    )
    op.create_index("sign_in_networks_retention_index", "sign_in_networks", ["tenant_id", "last_time"], unique=False)
    op.create_table(
        "signing_keys",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        sa.Column("private_key", sa.LargeBinary(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sign_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expire_time", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("tenant_id", "number", name="signing_keys_pkey"),
    )
    op.create_table(
        "teams",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("display_name", sa.Text(), nullable=False),
        sa.Column("display_name_key", sa.Text(), nullable=False),
        sa.Column("parent_id", sa.Uuid(), nullable=True),
        sa.Column("leader_id", sa.Uuid(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id", "parent_id"], ["teams.tenant_id", "teams.id"], name="teams_parent_fkey"),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="teams_pkey"),
    )
    op.create_index("teams_create_time_index", "teams", ["tenant_id", "create_time", "id"], unique=False)
    op.create_index("teams_display_name_index", "teams", ["tenant_id", "display_name_key", "id"], unique=False)
    op.create_index("teams_parent_index", "teams", ["tenant_id", "parent_id"], unique=False)
    op.create_index("teams_update_time_index", "teams", ["tenant_id", "update_time", "id"], unique=False)
    op.create_table(
        "tenant_slugs",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "slug", name="tenant_slugs_pkey"),
    )
    op.create_table(
        "tenants",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("display_name", sa.Text(), nullable=False),
        sa.Column("sandbox", sa.Boolean(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("clock_offset", sa.Interval(), nullable=False),
        sa.Column("time_zone", sa.Text(), server_default="Asia/Shanghai", nullable=False),
        sa.Column("default_region", sa.Text(), server_default="CN", nullable=False),
        sa.Column("turn", sa.Integer(), server_default="0", nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="tenants_pkey"),
    )
    op.create_table(
        "timeline_entries",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("entry_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("details", postgresql.JSONB(), nullable=False),
        sa.Column("service", sa.Text(), nullable=False),
        sa.Column("reference_type", sa.Text(), nullable=False),
        sa.Column("reference_id", sa.Uuid(), nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=False),
        sa.Column("owner_ids", sa.ARRAY(sa.Uuid()), nullable=False),
        sa.Column("owner_team_id", sa.Uuid(), nullable=True),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="timeline_entries_pkey"),
    )
    op.create_index(
        "timeline_entries_account_kind_index",
        "timeline_entries",
        ["tenant_id", "account_id", "kind", "entry_time", "id"],
        unique=False,
    )
    op.create_index(
        "timeline_entries_account_time_index",
        "timeline_entries",
        ["tenant_id", "account_id", "entry_time", "id"],
        unique=False,
    )
    op.create_table(
        "uploads",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("file_name", sa.Text(), nullable=False),
        sa.Column("content_type", sa.Text(), nullable=False),
        sa.Column("total_bytes", sa.Integer(), nullable=False),
        sa.Column("received_bytes", sa.Integer(), nullable=False),
        sa.Column("held_bytes", sa.Integer(), nullable=False),
        sa.Column("sealed", sa.Boolean(), nullable=False),
        sa.Column("owner_id", sa.Uuid(), nullable=False),
        sa.Column("owner_team_id", sa.Uuid(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="uploads_pkey"),
    )
    op.create_index("uploads_retention_index", "uploads", ["tenant_id", "create_time"], unique=False)
    op.create_table(
        "account_external_ids",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "account_id"], ["accounts.tenant_id", "accounts.id"], name="account_external_ids_account_fkey"
        ),
        sa.PrimaryKeyConstraint("tenant_id", "source", "value", name="account_external_ids_pkey"),
        sa.UniqueConstraint("tenant_id", "account_id", "source", name="account_external_ids_source_key"),
    )
    op.create_table(
        "account_leads",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("lead_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("lead_key", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "account_id"], ["accounts.tenant_id", "accounts.id"], name="account_leads_account_fkey"
        ),
        sa.PrimaryKeyConstraint("tenant_id", "lead_id", name="account_leads_pkey"),
    )
    op.create_table(
        "account_search",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("tokens", postgresql.ARRAY(sa.Integer()), nullable=False),
        sa.Column("names", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("contact_names", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("phone_numbers", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("emails", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("external_ids", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "account_id"], ["accounts.tenant_id", "accounts.id"], name="account_search_account_fkey"
        ),
        sa.PrimaryKeyConstraint("tenant_id", "account_id", name="account_search_pkey"),
    )
    op.create_index(
        "account_search_tokens_index",
        "account_search",
        ["tokens"],
        unique=False,
        postgresql_using="gin",
        postgresql_with={"gin_pending_list_limit": 16384},
    )
    op.create_table(
        "contact_search",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("contact_id", sa.Uuid(), nullable=False),
        sa.Column("tokens", postgresql.ARRAY(sa.Integer()), nullable=False),
        sa.Column("names", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("phone_numbers", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("emails", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "contact_id"], ["contacts.tenant_id", "contacts.id"], name="contact_search_contact_fkey"
        ),
        sa.PrimaryKeyConstraint("tenant_id", "contact_id", name="contact_search_pkey"),
    )
    op.create_index(
        "contact_search_tokens_index",
        "contact_search",
        ["tokens"],
        unique=False,
        postgresql_using="gin",
        postgresql_with={"gin_pending_list_limit": 16384},
    )
    op.create_table(
        "contact_accounts",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("contact_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.SmallInteger(), nullable=False),
        sa.Column("role", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["tenant_id", "account_id"], ["accounts.tenant_id", "accounts.id"], name="contact_accounts_account_fkey"
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "contact_id"], ["contacts.tenant_id", "contacts.id"], name="contact_accounts_contact_fkey"
        ),
        sa.PrimaryKeyConstraint("tenant_id", "contact_id", "account_id", name="contact_accounts_pkey"),
    )
    op.create_index(
        "contact_accounts_account_index", "contact_accounts", ["tenant_id", "account_id", "contact_id"], unique=False
    )
    op.create_table(
        "imports",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("upload_id", sa.Uuid(), nullable=False),
        sa.Column("file_name", sa.Text(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("external_source", sa.Text(), nullable=False),
        sa.Column("default_region", sa.Text(), nullable=False),
        sa.Column("columns", postgresql.JSONB(), nullable=False),
        sa.Column("layout", postgresql.JSONB(), nullable=True),
        sa.Column("read_layout", postgresql.JSONB(), nullable=True),
        sa.Column("skip_invalid_cells", sa.Boolean(), nullable=False),
        sa.Column("keep_opportunities", sa.Boolean(), nullable=False),
        sa.Column("dry_run", sa.Boolean(), nullable=False),
        sa.Column("account_owner_id", sa.Uuid(), nullable=True),
        sa.Column("owner_id", sa.Uuid(), nullable=False),
        sa.Column("owner_team_id", sa.Uuid(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("mapping", postgresql.JSONB(), nullable=False),
        sa.Column("rows_total", sa.Integer(), nullable=True),
        sa.Column("rows_read", sa.Integer(), nullable=False),
        sa.Column("created_count", sa.Integer(), nullable=False),
        sa.Column("updated_count", sa.Integer(), nullable=False),
        sa.Column("skipped_count", sa.Integer(), nullable=False),
        sa.Column("failed_count", sa.Integer(), nullable=False),
        sa.Column("reported_count", sa.Integer(), nullable=False),
        sa.Column("partial_count", sa.Integer(), nullable=False),
        sa.Column("error_count", sa.Integer(), nullable=False),
        sa.Column("error_bytes", sa.Integer(), nullable=False),
        sa.Column("failure_reason", sa.Text(), nullable=True),
        sa.Column("failure", sa.Text(), nullable=True),
        sa.Column("failure_metadata", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("start_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finish_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="imports_pkey"),
    )
    op.create_index("imports_create_time_index", "imports", ["tenant_id", "create_time", "id"], unique=False)
    op.create_table(
        "interactions",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("direction", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("subject_key", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=True),
        sa.Column("contact_ids", sa.ARRAY(sa.Uuid()), nullable=False),
        sa.Column("user_ids", sa.ARRAY(sa.Uuid()), nullable=False),
        sa.Column("interaction_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("next_step", sa.Text(), nullable=True),
        sa.Column("next_step_due_date", sa.Date(), nullable=True),
        sa.Column("recorder_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "account_id"], ["accounts.tenant_id", "accounts.id"], name="interactions_account_fkey"
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="interactions_pkey"),
    )
    op.create_index("interactions_time_index", "interactions", ["tenant_id", "interaction_time", "id"], unique=False)
    op.create_index("interactions_create_time_index", "interactions", ["tenant_id", "create_time", "id"], unique=False)
    op.create_index(
        "interactions_account_time_index",
        "interactions",
        ["tenant_id", "account_id", "interaction_time", "id"],
        unique=False,
    )
    op.create_table(
        "upload_parts",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("upload_id", sa.Uuid(), nullable=False),
        sa.Column("first_byte", sa.Integer(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "upload_id"], ["uploads.tenant_id", "uploads.id"], name="upload_parts_upload_fkey"
        ),
        sa.PrimaryKeyConstraint("tenant_id", "upload_id", "first_byte", name="upload_parts_pkey"),
    )
    op.create_index("upload_parts_retention_index", "upload_parts", ["tenant_id", "create_time"], unique=False)
    op.create_table(
        "users",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("display_name", sa.Text(), nullable=False),
        sa.Column("display_name_key", sa.Text(), nullable=False),
        sa.Column("login", sa.Text(), nullable=False),
        sa.Column("login_key", sa.Text(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("team_id", sa.Uuid(), nullable=True),
        sa.Column("role_ids", postgresql.ARRAY(sa.Uuid()), nullable=False),
        sa.Column("password_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id", "team_id"], ["teams.tenant_id", "teams.id"], name="users_team_fkey"),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="users_pkey"),
        sa.UniqueConstraint("tenant_id", "login", name="users_login_key"),
    )
    op.create_index("users_create_time_index", "users", ["tenant_id", "create_time", "id"], unique=False)
    op.create_index("users_display_name_index", "users", ["tenant_id", "display_name_key", "id"], unique=False)
    op.create_index("users_team_index", "users", ["tenant_id", "team_id"], unique=False)
    op.create_index("users_update_time_index", "users", ["tenant_id", "update_time", "id"], unique=False)
    op.create_table(
        "import_errors",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("import_id", sa.Uuid(), nullable=False),
        sa.Column("row_number", sa.Integer(), nullable=False),
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("column", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("row_imported", sa.Boolean(), nullable=False),
        sa.Column("metadata", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "import_id"], ["imports.tenant_id", "imports.id"], name="import_errors_import_fkey"
        ),
        sa.PrimaryKeyConstraint("tenant_id", "import_id", "row_number", "id", name="import_errors_pkey"),
    )
    op.create_index("import_errors_retention_index", "import_errors", ["tenant_id", "create_time"], unique=False)
    op.create_table(
        "import_jobs",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("import_id", sa.Uuid(), nullable=False),
        sa.Column("holder", sa.Uuid(), nullable=True),
        sa.Column("tries", sa.Integer(), server_default="0", nullable=False),
        sa.Column("expire_time", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "import_id"], ["imports.tenant_id", "imports.id"], name="import_jobs_import_fkey"
        ),
        sa.PrimaryKeyConstraint("tenant_id", "import_id", name="import_jobs_pkey"),
    )
    op.create_table(
        "import_rows",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("import_id", sa.Uuid(), nullable=False),
        sa.Column("row_number", sa.Integer(), nullable=False),
        sa.Column("cells", postgresql.JSONB(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "import_id"], ["imports.tenant_id", "imports.id"], name="import_rows_import_fkey"
        ),
        sa.PrimaryKeyConstraint("tenant_id", "import_id", "row_number", name="import_rows_pkey"),
    )
    op.create_index("import_rows_retention_index", "import_rows", ["tenant_id", "create_time"], unique=False)
    op.create_table(
        "finished_sign_ins",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("expire_time", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "digest", name="finished_sign_ins_pkey"),
    )
    op.create_index(
        "finished_sign_ins_retention_index", "finished_sign_ins", ["tenant_id", "expire_time"], unique=False
    )
    op.create_table(
        "identity_providers",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("display_name", sa.Text(), nullable=False),
        sa.Column("display_name_key", sa.Text(), nullable=False),
        sa.Column("issuer", sa.Text(), nullable=False),
        sa.Column("client_id", sa.Text(), nullable=True),
        sa.Column("login_claim", sa.Text(), nullable=False),
        sa.Column("domains", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("domains_key", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("client_secret_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="identity_providers_pkey"),
        sa.UniqueConstraint("tenant_id", "issuer", name="identity_providers_issuer_key"),
    )
    op.create_index(
        "identity_providers_create_time_index", "identity_providers", ["tenant_id", "create_time", "id"], unique=False
    )
    op.create_index(
        "identity_providers_display_name_index",
        "identity_providers",
        ["tenant_id", "display_name_key", "id"],
        unique=False,
    )
    op.create_index(
        "identity_providers_update_time_index", "identity_providers", ["tenant_id", "update_time", "id"], unique=False
    )
    op.create_table(
        "client_secrets",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("provider_id", sa.Uuid(), nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "provider_id"],
            ["identity_providers.tenant_id", "identity_providers.id"],
            name="client_secrets_provider_fkey",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "provider_id", name="client_secrets_pkey"),
    )
    op.create_table(
        "refresh_tokens",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("family_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("password_version", sa.Integer(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expire_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("replace_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("provider_id", sa.Uuid(), nullable=True),
        sa.ForeignKeyConstraint(
            ["tenant_id", "provider_id"],
            ["identity_providers.tenant_id", "identity_providers.id"],
            name="refresh_tokens_provider_fkey",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "user_id"], ["users.tenant_id", "users.id"], name="refresh_tokens_user_fkey"
        ),
        sa.PrimaryKeyConstraint("tenant_id", "family_id", name="refresh_tokens_pkey"),
    )
    op.create_index("refresh_tokens_retention_index", "refresh_tokens", ["tenant_id", "expire_time"], unique=False)
    op.create_index("refresh_tokens_user_index", "refresh_tokens", ["tenant_id", "user_id"], unique=False)
    op.create_table(
        "user_passwords",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "user_id"], ["users.tenant_id", "users.id"], name="user_passwords_user_fkey"
        ),
        sa.PrimaryKeyConstraint("tenant_id", "user_id", name="user_passwords_pkey"),
    )
    op.create_table(
        "user_identities",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("provider_id", sa.Uuid(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "provider_id"],
            ["identity_providers.tenant_id", "identity_providers.id"],
            name="user_identities_provider_fkey",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "user_id"], ["users.tenant_id", "users.id"], name="user_identities_user_fkey"
        ),
        sa.PrimaryKeyConstraint("tenant_id", "provider_id", "subject", name="user_identities_pkey"),
        sa.UniqueConstraint("tenant_id", "user_id", "provider_id", name="user_identities_user_key"),
    )
    protected(
        "accounts",
        "contacts",
        "roles",
        "former_teams",
        "policy_references",
        "sign_in_failures",
        "sign_in_networks",
        "signing_keys",
        "approval_delegations",
        "teams",
        "tenant_slugs",
        "tenants",
        "timeline_entries",
        "uploads",
        "account_external_ids",
        "account_leads",
        "account_search",
        "contact_search",
        "contact_accounts",
        "imports",
        "interactions",
        "upload_parts",
        "users",
        "import_errors",
        "import_rows",
        "refresh_tokens",
        "user_passwords",
        "finished_sign_ins",
        "identity_providers",
        "client_secrets",
        "user_identities",
        plumbing=["import_jobs"],
    )
    # The look-up runs with the rights of the schema's owner and compares the tenant itself: under row-level
    # security the operators of arrays may not use an index.
    for searched in (ACCOUNT_SEARCH, CONTACT_SEARCH):
        op.execute(searched.create_function)
        op.execute(searched.create_policy)
        op.execute(searched.create_sort_function)


def downgrade() -> None:
    op.drop_index("approval_delegations_last_date_index", table_name="approval_delegations")
    op.drop_index("approval_delegations_first_date_index", table_name="approval_delegations")
    op.drop_index("approval_delegations_create_time_index", table_name="approval_delegations")
    op.drop_table("approval_delegations")
    for searched in (ACCOUNT_SEARCH, CONTACT_SEARCH):
        op.execute(searched.drop_sort_function)
        op.execute(searched.drop_function)
    op.drop_table("user_identities")
    op.drop_table("user_passwords")
    op.drop_index("refresh_tokens_user_index", table_name="refresh_tokens")
    op.drop_index("refresh_tokens_retention_index", table_name="refresh_tokens")
    op.drop_table("refresh_tokens")
    op.drop_table("client_secrets")
    op.drop_index("identity_providers_update_time_index", table_name="identity_providers")
    op.drop_index("identity_providers_display_name_index", table_name="identity_providers")
    op.drop_index("identity_providers_create_time_index", table_name="identity_providers")
    op.drop_table("identity_providers")
    op.drop_index("finished_sign_ins_retention_index", table_name="finished_sign_ins")
    op.drop_table("finished_sign_ins")
    op.drop_index("import_rows_retention_index", table_name="import_rows")
    op.drop_table("import_rows")
    op.drop_table("import_jobs")
    op.drop_index("import_errors_retention_index", table_name="import_errors")
    op.drop_table("import_errors")
    op.drop_index("users_update_time_index", table_name="users")
    op.drop_index("users_team_index", table_name="users")
    op.drop_index("users_display_name_index", table_name="users")
    op.drop_index("users_create_time_index", table_name="users")
    op.drop_table("users")
    op.drop_index("upload_parts_retention_index", table_name="upload_parts")
    op.drop_table("upload_parts")
    op.drop_index("interactions_account_time_index", table_name="interactions")
    op.drop_table("interactions")
    op.drop_index("imports_create_time_index", table_name="imports")
    op.drop_table("imports")
    op.drop_index("contact_accounts_account_index", table_name="contact_accounts")
    op.drop_table("contact_accounts")
    op.drop_index("contact_search_tokens_index", table_name="contact_search", postgresql_using="gin")
    op.drop_table("contact_search")
    op.drop_index("account_search_tokens_index", table_name="account_search", postgresql_using="gin")
    op.drop_table("account_search")
    op.drop_table("account_leads")
    op.drop_table("account_external_ids")
    op.drop_index("uploads_retention_index", table_name="uploads")
    op.drop_table("uploads")
    op.drop_index("timeline_entries_account_time_index", table_name="timeline_entries")
    op.drop_index("timeline_entries_account_kind_index", table_name="timeline_entries")
    op.drop_table("timeline_entries")
    op.drop_table("tenants")
    op.drop_table("tenant_slugs")
    op.drop_index("teams_update_time_index", table_name="teams")
    op.drop_index("teams_parent_index", table_name="teams")
    op.drop_index("teams_display_name_index", table_name="teams")
    op.drop_index("teams_create_time_index", table_name="teams")
    op.drop_table("teams")
    op.drop_table("signing_keys")
    op.drop_index("sign_in_networks_retention_index", table_name="sign_in_networks")
    op.drop_table("sign_in_networks")
    op.drop_index("sign_in_failures_retention_index", table_name="sign_in_failures")
    op.drop_table("sign_in_failures")
    op.drop_table("policy_references")
    op.drop_table("former_teams")
    op.drop_index("roles_update_time_index", table_name="roles")
    op.drop_index("roles_display_name_index", table_name="roles")
    op.drop_index("roles_create_time_index", table_name="roles")
    op.drop_table("roles")
    op.drop_index("contacts_update_time_index", table_name="contacts")
    op.drop_index("contacts_reports_to_index", table_name="contacts")
    op.drop_index("contacts_owner_team_index", table_name="contacts")
    op.drop_index("contacts_owner_index", table_name="contacts")
    op.drop_index("contacts_display_name_index", table_name="contacts")
    op.drop_index("contacts_create_time_index", table_name="contacts")
    op.drop_table("contacts")
    op.drop_index("accounts_update_time_index", table_name="accounts")
    op.drop_index("accounts_parent_index", table_name="accounts")
    op.drop_index("accounts_owner_team_index", table_name="accounts")
    op.drop_index("accounts_owner_index", table_name="accounts")
    op.drop_index("accounts_last_contact_time_index", table_name="accounts")
    op.drop_index("accounts_display_name_index", table_name="accounts")
    op.drop_index("accounts_credit_code_index", table_name="accounts")
    op.drop_index("accounts_create_time_index", table_name="accounts")
    op.drop_table("accounts")
