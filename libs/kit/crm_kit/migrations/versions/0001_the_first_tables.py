"""The tables that every service has."""

import sqlalchemy as sa
from alembic import op
from crm_kit.migrating import create_functions, drop_functions, protected
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None


def upgrade() -> None:
    create_functions()
    op.create_table(
        "access_deputies",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("deputy_id", sa.Uuid(), nullable=False),
        sa.Column("first_date", sa.Date(), nullable=False),
        sa.Column("last_date", sa.Date(), nullable=False),
        sa.Column("collection", sa.Text(), nullable=True),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="access_deputies_pkey"),
    )
    op.create_index(
        "access_deputies_deputy_index",
        "access_deputies",
        ["tenant_id", "deputy_id", "last_date"],
        unique=False,
        postgresql_where=sa.text("active"),
    )
    op.create_table(
        "access_roles",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("grants", postgresql.JSONB(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="access_roles_pkey"),
    )
    op.create_table(
        "access_teams",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("display_name", sa.Text(), nullable=False),
        sa.Column("parent_id", sa.Uuid(), nullable=True),
        sa.Column("leader_id", sa.Uuid(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="access_teams_pkey"),
    )
    op.create_index("access_teams_parent_index", "access_teams", ["tenant_id", "parent_id"], unique=False)
    op.create_table(
        "access_tenants",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("sandbox", sa.Boolean(), nullable=False),
        sa.Column("clock_offset", sa.Interval(), nullable=False),
        sa.Column("time_zone", sa.Text(), server_default="Asia/Shanghai", nullable=False),
        sa.Column("default_region", sa.Text(), server_default="CN", nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="access_tenants_pkey"),
    )
    op.create_table(
        "access_users",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("login", sa.Text(), nullable=False),
        sa.Column("display_name", sa.Text(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("team_id", sa.Uuid(), nullable=True),
        sa.Column("role_ids", postgresql.ARRAY(sa.Uuid()), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="access_users_pkey"),
    )
    op.create_index("access_users_login_index", "access_users", ["tenant_id", "login"], unique=False)
    op.create_table(
        "changes",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("resource_type", sa.Text(), nullable=False),
        sa.Column("resource_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("change_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("fields", postgresql.JSONB(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "resource_type", "resource_id", "version", name="changes_pkey"),
    )
    op.create_table(
        "creations",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "key", name="creations_pkey"),
    )
    op.create_index("creations_retention_index", "creations", ["create_time"], unique=False)
    op.create_table(
        "custom_field_versions",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("collection", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "collection", name="custom_field_versions_pkey"),
    )
    op.create_table(
        "custom_fields",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("collection", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("label", postgresql.JSONB(), nullable=False),
        sa.Column("options", postgresql.JSONB(), nullable=False),
        sa.Column("required", sa.Boolean(), nullable=False),
        sa.Column("unique", sa.Boolean(), nullable=False),
        sa.Column("reference_collection", sa.Text(), nullable=True),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="custom_fields_pkey"),
        sa.UniqueConstraint("tenant_id", "collection", "key", name="custom_fields_key_key"),
    )
    op.create_index("custom_fields_position_index", "custom_fields", ["tenant_id", "position", "id"], unique=False)
    op.create_table(
        "custom_values",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("record_id", sa.Uuid(), nullable=False),
        sa.Column("token", sa.Text(), nullable=False),
        sa.Column("collection", sa.Text(), nullable=False),
        sa.Column("unique", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "record_id", "token", name="custom_values_pkey"),
    )
    op.create_index(
        "custom_values_token_index",
        "custom_values",
        ["tenant_id", "collection", "token", "record_id"],
        unique=False,
    )
    op.create_index(
        "custom_values_unique_index",
        "custom_values",
        ["tenant_id", "collection", "token"],
        unique=True,
        postgresql_where=sa.text('"unique"'),
    )
    op.create_table(
        "dead_letters",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("consumer", sa.Text(), nullable=False),
        sa.Column("event", sa.LargeBinary(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", "consumer", name="dead_letters_pkey"),
    )
    op.create_index("dead_letters_retention_index", "dead_letters", ["create_time"], unique=False)
    op.create_table(
        "followed_events",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("consumer", sa.Text(), nullable=False),
        sa.Column("event_type", sa.Text(), nullable=False),
        sa.Column("seen_time", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "consumer", "event_type", name="followed_events_pkey"),
    )
    op.create_index("followed_events_retention_index", "followed_events", ["seen_time"], unique=False)
    op.create_table(
        "idempotency_keys",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column("request_hash", sa.LargeBinary(), nullable=False),
        sa.Column("response", sa.LargeBinary(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "user_id", "key", name="idempotency_keys_pkey"),
    )
    op.create_index("idempotency_keys_retention_index", "idempotency_keys", ["create_time"], unique=False)
    op.create_table(
        "inbox",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("consumer", sa.Text(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "event_id", "consumer", name="inbox_pkey"),
    )
    op.create_index("inbox_retention_index", "inbox", ["create_time"], unique=False)
    op.create_table(
        "leases",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("holder", sa.Uuid(), nullable=False),
        sa.Column("expire_time", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "name", name="leases_pkey"),
    )
    op.create_table(
        "outbox",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("aggregate_id", sa.Uuid(), nullable=False),
        sa.Column("aggregate_version", sa.Integer(), nullable=False),
        sa.Column("event", sa.LargeBinary(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("publish_time", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="outbox_pkey"),
    )
    op.create_index(
        "outbox_retention_index",
        "outbox",
        ["publish_time"],
        unique=False,
        postgresql_where=sa.text("publish_time IS NOT NULL"),
    )
    op.create_index(
        "outbox_unpublished_index",
        "outbox",
        ["id"],
        unique=False,
        postgresql_where=sa.text("publish_time IS NULL"),
    )
    op.create_table(
        "approval_askings",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("approval_id", sa.Uuid(), nullable=False),
        sa.Column("asked_id", sa.Uuid(), nullable=False),
        sa.Column("waiting", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "approval_id", "asked_id", name="approval_askings_pkey"),
    )
    op.create_index(
        "approval_askings_asked_index", "approval_askings", ["tenant_id", "asked_id", "approval_id"], unique=False
    )
    op.create_index(
        "approval_askings_waiting_index",
        "approval_askings",
        ["tenant_id", "asked_id", "approval_id"],
        unique=False,
        postgresql_where=sa.text("waiting"),
    )
    op.create_table(
        "approval_policies",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("collection", sa.Text(), nullable=False),
        sa.Column("verb", sa.Text(), nullable=False),
        sa.Column("display_name", sa.Text(), nullable=False),
        sa.Column("rows", postgresql.JSONB(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="approval_policies_pkey"),
    )
    op.create_index(
        "approval_policies_time_index", "approval_policies", ["tenant_id", "create_time", "id"], unique=False
    )
    op.create_index(
        "approval_policies_verb_index",
        "approval_policies",
        ["tenant_id", "collection", "verb"],
        unique=True,
        postgresql_where=sa.text("state = 'ACTIVE'"),
    )
    op.create_table(
        "approval_timers",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("approval_id", sa.Uuid(), nullable=False),
        sa.Column("collection", sa.Text(), nullable=False),
        sa.Column("due_time", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "approval_id", name="approval_timers_pkey"),
    )
    op.create_index("approval_timers_due_index", "approval_timers", ["tenant_id", "due_time"], unique=False)
    op.create_table(
        "approvals",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("collection", sa.Text(), nullable=False),
        sa.Column("record_id", sa.Uuid(), nullable=False),
        sa.Column("record_etag", sa.Text(), nullable=False),
        sa.Column("verb", sa.Text(), nullable=False),
        sa.Column("request", postgresql.JSONB(), nullable=False),
        sa.Column("amount", sa.Numeric(), nullable=True),
        sa.Column("currency_code", sa.Text(), nullable=True),
        sa.Column("comment", sa.Text(), nullable=True),
        sa.Column("submitter_id", sa.Uuid(), nullable=False),
        sa.Column("owner_id", sa.Uuid(), nullable=True),
        sa.Column("policy_id", sa.Uuid(), nullable=False),
        sa.Column("policy_etag", sa.Text(), nullable=False),
        sa.Column("steps", postgresql.JSONB(), nullable=False),
        sa.Column("current_step", sa.Integer(), nullable=False),
        sa.Column("opinions", postgresql.JSONB(), nullable=False),
        sa.Column("reassignments", postgresql.JSONB(), nullable=False),
        sa.Column("withdrawal", postgresql.JSONB(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("end_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("due_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("overdue", sa.Boolean(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="approvals_pkey"),
    )
    op.create_index(
        "approvals_pending_index",
        "approvals",
        ["tenant_id", "collection", "record_id", "verb"],
        unique=True,
        postgresql_where=sa.text("state = 'PENDING'"),
    )
    op.create_index("approvals_due_index", "approvals", ["tenant_id", "due_time", "id"], unique=False)
    op.create_index("approvals_record_index", "approvals", ["tenant_id", "record_id"], unique=False)
    op.create_index("approvals_state_index", "approvals", ["tenant_id", "state", "create_time", "id"], unique=False)
    op.create_index(
        "approvals_submitter_index", "approvals", ["tenant_id", "submitter_id", "create_time"], unique=False
    )
    op.create_index("approvals_time_index", "approvals", ["tenant_id", "create_time", "id"], unique=False)
    op.create_table(
        "automation_rules",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("collection", sa.Text(), nullable=False),
        sa.Column("display_name", sa.Text(), nullable=False),
        sa.Column("trigger", postgresql.JSONB(), nullable=False),
        sa.Column("filter", sa.Text(), nullable=False),
        sa.Column("filter_before", sa.Text(), nullable=False),
        sa.Column("actions", postgresql.JSONB(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("stop_reason", sa.Text(), nullable=True),
        sa.Column("activator_id", sa.Uuid(), nullable=True),
        sa.Column("activate_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="automation_rules_pkey"),
    )
    op.create_index(
        "automation_rules_active_index",
        "automation_rules",
        ["tenant_id", "collection"],
        unique=False,
        postgresql_where=sa.text("state = 'ACTIVE'"),
    )
    op.create_index("automation_rules_time_index", "automation_rules", ["tenant_id", "create_time", "id"], unique=False)
    op.create_table(
        "automation_runs",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("collection", sa.Text(), nullable=False),
        sa.Column("rule_id", sa.Uuid(), nullable=False),
        sa.Column("rule_etag", sa.Text(), nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("root_event_id", sa.Uuid(), nullable=False),
        sa.Column("record_id", sa.Uuid(), nullable=False),
        sa.Column("record_etag", sa.Text(), nullable=False),
        sa.Column("activator_id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("effects", postgresql.JSONB(), nullable=False),
        sa.Column("failed_action", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.Column("fields", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("causes", postgresql.JSONB(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="automation_runs_pkey"),
    )
    op.create_index("automation_runs_event_index", "automation_runs", ["tenant_id", "event_id", "rule_id"], unique=True)
    op.create_index(
        "automation_runs_list_index",
        "automation_runs",
        ["tenant_id", "collection", "create_time", "id"],
        unique=False,
    )
    op.create_index(
        "automation_runs_record_index", "automation_runs", ["tenant_id", "record_id", "create_time"], unique=False
    )
    op.create_index("automation_runs_retention_index", "automation_runs", ["tenant_id", "create_time"], unique=False)
    op.create_index(
        "automation_runs_root_index", "automation_runs", ["tenant_id", "root_event_id", "create_time"], unique=False
    )
    op.create_index(
        "automation_runs_rule_index", "automation_runs", ["tenant_id", "rule_id", "create_time"], unique=False
    )
    op.create_index(
        "automation_runs_stopped_index",
        "automation_runs",
        ["tenant_id", "rule_id", "state", "create_time"],
        unique=False,
        postgresql_where=sa.text("state != 'SUCCEEDED'"),
    )
    protected(
        "approval_askings",
        "approval_policies",
        "approvals",
        "automation_rules",
        "automation_runs",
        "changes",
        "custom_fields",
        "custom_field_versions",
        "custom_values",
        "access_users",
        "access_teams",
        "access_roles",
        "access_deputies",
        plumbing=[
            "creations",
            "outbox",
            "inbox",
            "dead_letters",
            "followed_events",
            "leases",
            "idempotency_keys",
            "access_tenants",
            "approval_timers",
        ],
    )


def downgrade() -> None:
    op.drop_table("automation_runs")
    op.drop_table("automation_rules")
    op.drop_index("approvals_time_index", table_name="approvals")
    op.drop_index("approvals_submitter_index", table_name="approvals")
    op.drop_index("approvals_state_index", table_name="approvals")
    op.drop_index("approvals_record_index", table_name="approvals")
    op.drop_index("approvals_due_index", table_name="approvals")
    op.drop_index("approvals_pending_index", table_name="approvals", postgresql_where=sa.text("state = 'PENDING'"))
    op.drop_table("approvals")
    op.drop_index("approval_timers_due_index", table_name="approval_timers")
    op.drop_table("approval_timers")
    op.drop_index(
        "approval_policies_verb_index", table_name="approval_policies", postgresql_where=sa.text("state = 'ACTIVE'")
    )
    op.drop_index("approval_policies_time_index", table_name="approval_policies")
    op.drop_table("approval_policies")
    op.drop_index("approval_askings_waiting_index", table_name="approval_askings", postgresql_where=sa.text("waiting"))
    op.drop_index("approval_askings_asked_index", table_name="approval_askings")
    op.drop_table("approval_askings")
    op.drop_index("outbox_unpublished_index", table_name="outbox", postgresql_where=sa.text("publish_time IS NULL"))
    op.drop_index("outbox_retention_index", table_name="outbox", postgresql_where=sa.text("publish_time IS NOT NULL"))
    op.drop_table("outbox")
    op.drop_table("leases")
    op.drop_index("inbox_retention_index", table_name="inbox")
    op.drop_table("inbox")
    op.drop_index("idempotency_keys_retention_index", table_name="idempotency_keys")
    op.drop_table("idempotency_keys")
    op.drop_index("followed_events_retention_index", table_name="followed_events")
    op.drop_table("followed_events")
    op.drop_index("dead_letters_retention_index", table_name="dead_letters")
    op.drop_table("dead_letters")
    op.drop_index("custom_values_unique_index", table_name="custom_values", postgresql_where=sa.text('"unique"'))
    op.drop_index("custom_values_token_index", table_name="custom_values")
    op.drop_table("custom_values")
    op.drop_index("custom_fields_position_index", table_name="custom_fields")
    op.drop_table("custom_fields")
    op.drop_table("custom_field_versions")
    op.drop_index("creations_retention_index", table_name="creations")
    op.drop_table("creations")
    op.drop_table("changes")
    op.drop_index("access_users_login_index", table_name="access_users")
    op.drop_table("access_users")
    op.drop_table("access_tenants")
    op.drop_index("access_teams_parent_index", table_name="access_teams")
    op.drop_table("access_teams")
    op.drop_table("access_roles")
    op.drop_index("access_deputies_deputy_index", table_name="access_deputies", postgresql_where=sa.text("active"))
    op.drop_table("access_deputies")
    drop_functions()
