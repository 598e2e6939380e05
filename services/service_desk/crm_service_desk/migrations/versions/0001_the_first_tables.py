"""The first tables."""

import sqlalchemy as sa
from alembic import op
from crm_kit.migrating import protected
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "account_tiers",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("value_tier", sa.Text(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="account_tiers_pkey"),
    )
    op.create_table(
        "accounts",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("display_name", sa.Text(), nullable=False),
        sa.Column("owner_id", sa.Uuid(), nullable=True),
        sa.Column("owner_team_id", sa.Uuid(), nullable=True),
        sa.Column("archived", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="accounts_pkey"),
    )
    op.create_index("accounts_owner_index", "accounts", ["tenant_id", "owner_id"], unique=False)
    op.create_index("accounts_owner_team_index", "accounts", ["tenant_id", "owner_team_id"], unique=False)
    op.create_table(
        "contacts",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("display_name", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="contacts_pkey"),
    )
    op.create_table(
        "calendar_recounts",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("calendar_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "calendar_id", name="calendar_recounts_pkey"),
    )
    op.create_table(
        "calendar_versions",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("display_name", sa.Text(), nullable=False),
        sa.Column("display_name_key", sa.Text(), nullable=False),
        sa.Column("time_zone", sa.Text(), nullable=False),
        sa.Column("weekly", postgresql.JSONB(), nullable=False),
        sa.Column("exceptions", postgresql.JSONB(), nullable=False),
        sa.Column("is_default", sa.Boolean(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", "version", name="calendar_versions_pkey"),
    )
    op.create_table(
        "calendars",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("display_name", sa.Text(), nullable=False),
        sa.Column("display_name_key", sa.Text(), nullable=False),
        sa.Column("time_zone", sa.Text(), nullable=False),
        sa.Column("weekly", postgresql.JSONB(), nullable=False),
        sa.Column("exceptions", postgresql.JSONB(), nullable=False),
        sa.Column("is_default", sa.Boolean(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="calendars_pkey"),
    )
    op.create_index("calendars_create_time_index", "calendars", ["tenant_id", "create_time", "id"], unique=False)
    op.create_index("calendars_display_name_index", "calendars", ["tenant_id", "display_name_key", "id"], unique=False)
    op.create_index("calendars_update_time_index", "calendars", ["tenant_id", "update_time", "id"], unique=False)
    op.create_table(
        "case_numbers",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("year", sa.Integer(), nullable=False),
        sa.Column("last", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "year", name="case_numbers_pkey"),
    )
    op.create_table(
        "service_levels",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("display_name", sa.Text(), nullable=False),
        sa.Column("display_name_key", sa.Text(), nullable=False),
        sa.Column("condition", sa.Text(), nullable=True),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("calendar_id", sa.Uuid(), nullable=True),
        sa.Column("targets", postgresql.JSONB(), nullable=False),
        sa.Column("warning_percent", sa.Integer(), nullable=False),
        sa.Column("is_default", sa.Boolean(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "calendar_id"], ["calendars.tenant_id", "calendars.id"], name="service_levels_calendar_fkey"
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="service_levels_pkey"),
    )
    op.create_index("service_levels_calendar_index", "service_levels", ["tenant_id", "calendar_id"], unique=False)
    op.create_index(
        "service_levels_create_time_index", "service_levels", ["tenant_id", "create_time", "id"], unique=False
    )
    op.create_index(
        "service_levels_display_name_index", "service_levels", ["tenant_id", "display_name_key", "id"], unique=False
    )
    op.create_index("service_levels_position_index", "service_levels", ["tenant_id", "position", "id"], unique=False)
    op.create_index(
        "service_levels_update_time_index", "service_levels", ["tenant_id", "update_time", "id"], unique=False
    )
    op.create_table(
        "cases",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("title_key", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=True),
        sa.Column("contact_id", sa.Uuid(), nullable=True),
        sa.Column("channel", sa.Text(), nullable=True),
        sa.Column("category", sa.Text(), nullable=True),
        sa.Column("category_key", sa.Text(), nullable=True),
        sa.Column("impact", sa.Text(), nullable=False),
        sa.Column("urgency", sa.Text(), nullable=False),
        sa.Column("priority", sa.Text(), nullable=False),
        sa.Column("tags", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("assignee_id", sa.Uuid(), nullable=True),
        sa.Column("assignee_team_id", sa.Uuid(), nullable=True),
        sa.Column("creator_id", sa.Uuid(), nullable=False),
        sa.Column("creator_team_id", sa.Uuid(), nullable=True),
        sa.Column("resolution", sa.Text(), nullable=True),
        sa.Column("reply_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("resolve_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("close_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reopenings", sa.Integer(), nullable=False),
        sa.Column("service_level_id", sa.Uuid(), nullable=True),
        sa.Column("calendar_id", sa.Uuid(), nullable=False),
        sa.Column("calendar_version", sa.Integer(), nullable=False),
        sa.Column("first_policy", postgresql.JSONB(), nullable=False),
        sa.Column("milestones", postgresql.JSONB(), nullable=False),
        sa.Column("first_response_due_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("resolution_due_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("breached", sa.Boolean(), nullable=False),
        sa.Column("event_count", sa.Integer(), nullable=False),
        sa.Column("custom", postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "account_id"], ["accounts.tenant_id", "accounts.id"], name="cases_account_fkey"
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "calendar_id"], ["calendars.tenant_id", "calendars.id"], name="cases_calendar_fkey"
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "service_level_id"],
            ["service_levels.tenant_id", "service_levels.id"],
            name="cases_service_level_fkey",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="cases_pkey"),
        sa.UniqueConstraint("tenant_id", "number", name="cases_number_key"),
    )
    op.create_index("cases_account_index", "cases", ["tenant_id", "account_id", "create_time", "id"], unique=False)
    op.create_index("cases_assignee_index", "cases", ["tenant_id", "assignee_id", "create_time", "id"], unique=False)
    op.create_index(
        "cases_assignee_team_index", "cases", ["tenant_id", "assignee_team_id", "create_time", "id"], unique=False
    )
    op.create_index(
        "cases_calendar_index",
        "cases",
        ["tenant_id", "calendar_id", "calendar_version", "id"],
        unique=False,
        postgresql_where=sa.text("state NOT IN ('CLOSED', 'CANCELLED')"),
    )
    op.create_index("cases_create_time_index", "cases", ["tenant_id", "create_time", "id"], unique=False)
    op.create_index("cases_creator_index", "cases", ["tenant_id", "creator_id", "create_time", "id"], unique=False)
    op.create_index(
        "cases_creator_team_index", "cases", ["tenant_id", "creator_team_id", "create_time", "id"], unique=False
    )
    op.create_index(
        "cases_first_response_due_index", "cases", ["tenant_id", "first_response_due_time", "id"], unique=False
    )
    op.create_index("cases_resolution_due_index", "cases", ["tenant_id", "resolution_due_time", "id"], unique=False)
    op.create_index("cases_service_level_index", "cases", ["tenant_id", "service_level_id"], unique=False)
    op.create_index("cases_update_time_index", "cases", ["tenant_id", "update_time", "id"], unique=False)
    op.create_table(
        "case_events",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("occur_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("record_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=True),
        sa.Column("contact_id", sa.Uuid(), nullable=True),
        sa.Column("text", sa.Text(), nullable=True),
        sa.Column("pause_reason", sa.Text(), nullable=True),
        sa.Column("policy", postgresql.JSONB(), nullable=True),
        sa.ForeignKeyConstraint(
            ["tenant_id", "case_id"], ["cases.tenant_id", "cases.id"], name="case_events_case_fkey"
        ),
        sa.PrimaryKeyConstraint("tenant_id", "case_id", "position", name="case_events_pkey"),
    )
    op.create_table(
        "milestone_timers",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("level", sa.Text(), nullable=False),
        sa.Column("due_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("try_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("fire_time", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["tenant_id", "case_id"], ["cases.tenant_id", "cases.id"], name="milestone_timers_case_fkey"
        ),
        sa.PrimaryKeyConstraint("tenant_id", "case_id", "kind", "level", name="milestone_timers_pkey"),
    )
    op.create_index(
        "milestone_timers_try_index",
        "milestone_timers",
        ["tenant_id", "try_time"],
        unique=False,
        postgresql_where=sa.text("fire_time IS NULL AND try_time IS NOT NULL"),
    )
    protected(
        "account_tiers",
        "accounts",
        "contacts",
        "calendar_versions",
        "calendars",
        "case_numbers",
        "service_levels",
        "cases",
        "case_events",
        plumbing=["calendar_recounts", "milestone_timers"],
    )


def downgrade() -> None:
    op.drop_index(
        "milestone_timers_try_index",
        table_name="milestone_timers",
        postgresql_where=sa.text("fire_time IS NULL AND try_time IS NOT NULL"),
    )
    op.drop_table("milestone_timers")
    op.drop_table("case_events")
    op.drop_index("cases_update_time_index", table_name="cases")
    op.drop_index("cases_service_level_index", table_name="cases")
    op.drop_index("cases_resolution_due_index", table_name="cases")
    op.drop_index("cases_first_response_due_index", table_name="cases")
    op.drop_index("cases_creator_index", table_name="cases")
    op.drop_index("cases_create_time_index", table_name="cases")
    op.drop_index(
        "cases_calendar_index",
        table_name="cases",
        postgresql_where=sa.text("state NOT IN ('CLOSED', 'CANCELLED')"),
    )
    op.drop_index("cases_creator_team_index", table_name="cases")
    op.drop_index("cases_assignee_team_index", table_name="cases")
    op.drop_index("cases_assignee_index", table_name="cases")
    op.drop_index("cases_account_index", table_name="cases")
    op.drop_table("cases")
    op.drop_index("service_levels_update_time_index", table_name="service_levels")
    op.drop_index("service_levels_position_index", table_name="service_levels")
    op.drop_index("service_levels_display_name_index", table_name="service_levels")
    op.drop_index("service_levels_create_time_index", table_name="service_levels")
    op.drop_index("service_levels_calendar_index", table_name="service_levels")
    op.drop_table("service_levels")
    op.drop_table("case_numbers")
    op.drop_index("calendars_update_time_index", table_name="calendars")
    op.drop_index("calendars_display_name_index", table_name="calendars")
    op.drop_index("calendars_create_time_index", table_name="calendars")
    op.drop_table("calendars")
    op.drop_table("calendar_versions")
    op.drop_table("calendar_recounts")
    op.drop_table("contacts")
    op.drop_index("accounts_owner_team_index", table_name="accounts")
    op.drop_index("accounts_owner_index", table_name="accounts")
    op.drop_table("accounts")
    op.drop_table("account_tiers")
