"""The first tables."""

import sqlalchemy as sa
from alembic import op
from crm_kit.migrating import protected
from crm_sales.payments.references import CREATE_KEY, DROP_KEY
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.execute(CREATE_KEY)
    op.create_table(
        "account_handovers",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("former_owner_id", sa.Uuid(), nullable=False),
        sa.Column("owner_id", sa.Uuid(), nullable=False),
        sa.Column("owner_team_id", sa.Uuid(), nullable=True),
        sa.Column("actor_id", sa.Uuid(), nullable=False),
        sa.Column("due_time", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("end_time", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("tenant_id", "account_id", "version", name="account_handovers_pkey"),
    )
    op.create_index(
        "account_handovers_retention_index",
        "account_handovers",
        ["end_time"],
        unique=False,
        postgresql_where=sa.text("end_time IS NOT NULL"),
    )
    op.create_index(
        "account_handovers_due_index",
        "account_handovers",
        ["tenant_id", "due_time"],
        unique=False,
        postgresql_where=sa.text("end_time IS NULL"),
    )
    op.create_table(
        "changed_pipelines",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("pipeline_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=False),
        sa.Column("due_time", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "pipeline_id", name="changed_pipelines_pkey"),
    )
    op.create_index("changed_pipelines_due_index", "changed_pipelines", ["tenant_id", "due_time"], unique=False)
    op.create_table(
        "unfinished_histories",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("lead_id", sa.Uuid(), nullable=False),
        sa.Column("after_id", sa.Uuid(), nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=False),
        sa.Column("due_time", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "lead_id", name="unfinished_histories_pkey"),
    )
    op.create_index("unfinished_histories_due_time_index", "unfinished_histories", ["due_time"], unique=False)
    op.create_table(
        "hold_reviews",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("after_place_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("after_id", sa.Uuid(), nullable=True),
        sa.Column("refused", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("again", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("failures", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("look_time", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "account_id", name="hold_reviews_pkey"),
    )
    op.create_index("hold_reviews_look_index", "hold_reviews", ["tenant_id", "look_time"], unique=False)
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
        "lead_claims",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("day_date", sa.Date(), nullable=False),
        sa.Column("claims", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "user_id", "day_date", name="lead_claims_pkey"),
    )
    op.create_index("lead_claims_retention_index", "lead_claims", ["tenant_id", "day_date"], unique=False)
    op.create_table(
        "lead_holders",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("held", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "user_id", name="lead_holders_pkey"),
    )
    op.create_table(
        "leads",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("display_name", sa.Text(), nullable=False),
        sa.Column("display_name_key", sa.Text(), nullable=False),
        sa.Column("company_name", sa.Text(), nullable=True),
        sa.Column("company_name_key", sa.Text(), nullable=True),
        sa.Column("job_title", sa.Text(), nullable=True),
        sa.Column("job_title_key", sa.Text(), nullable=True),
        sa.Column("phone_number", sa.Text(), nullable=True),
        sa.Column("email", sa.Text(), nullable=True),
        sa.Column("email_key", sa.Text(), nullable=True),
        sa.Column("region_code", sa.Text(), nullable=True),
        sa.Column("source", sa.Text(), nullable=True),
        sa.Column("source_key", sa.Text(), nullable=True),
        sa.Column("campaign", sa.Text(), nullable=True),
        sa.Column("campaign_key", sa.Text(), nullable=True),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("owner_id", sa.Uuid(), nullable=True),
        sa.Column("in_pool", sa.Boolean(), nullable=False),
        sa.Column("owner_team_id", sa.Uuid(), nullable=True),
        sa.Column("take_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("owned_since_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("pool_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("former_owner_id", sa.Uuid(), nullable=True),
        sa.Column("return_reason", sa.Text(), nullable=True),
        sa.Column("was_pooled", sa.Boolean(), nullable=False),
        sa.Column("safe_until_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("rules_version", sa.Integer(), nullable=False),
        sa.Column("last_follow_up_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("disqualify_reason", sa.Text(), nullable=True),
        sa.Column("account_id", sa.Uuid(), nullable=True),
        sa.Column("contact_id", sa.Uuid(), nullable=True),
        sa.Column("opportunity_id", sa.Uuid(), nullable=True),
        sa.Column("conversion_user_id", sa.Uuid(), nullable=True),
        sa.Column("conversion_attempt_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("told", postgresql.JSONB(), server_default=sa.text("'[]'"), nullable=False),
        sa.Column("custom", postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="leads_pkey"),
    )
    op.create_index(
        "leads_conversion_index",
        "leads",
        ["tenant_id", "conversion_attempt_time"],
        unique=False,
        postgresql_where=sa.text("conversion_attempt_time IS NOT NULL"),
    )
    op.create_index("leads_create_time_index", "leads", ["tenant_id", "create_time", "id"], unique=False)
    op.create_index("leads_display_name_index", "leads", ["tenant_id", "display_name_key", "id"], unique=False)
    op.create_index(
        "leads_held_index",
        "leads",
        ["tenant_id", "rules_version", "id"],
        unique=False,
        postgresql_where=sa.text("owner_id IS NOT NULL AND state IN ('NEW', 'CONTACTED', 'QUALIFIED')"),
    )
    op.create_index(
        "leads_last_follow_up_time_index", "leads", ["tenant_id", "last_follow_up_time", "id"], unique=False
    )
    op.create_index("leads_owner_index", "leads", ["tenant_id", "owner_id", "create_time", "id"], unique=False)
    op.create_index("leads_owner_team_index", "leads", ["tenant_id", "owner_team_id", "create_time"], unique=False)
    op.create_index("leads_safe_until_time_index", "leads", ["tenant_id", "safe_until_time", "id"], unique=False)
    op.create_index("leads_update_time_index", "leads", ["tenant_id", "update_time", "id"], unique=False)
    op.create_table(
        "pipelines",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("display_name", sa.Text(), nullable=False),
        sa.Column("display_name_key", sa.Text(), nullable=False),
        sa.Column("stages", postgresql.JSONB(), nullable=False),
        sa.Column("is_default", sa.Boolean(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pipelines_pkey"),
    )
    op.create_index("pipelines_create_time_index", "pipelines", ["tenant_id", "create_time", "id"], unique=False)
    op.create_index("pipelines_display_name_index", "pipelines", ["tenant_id", "display_name_key", "id"], unique=False)
    op.create_table(
        "pools",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("display_name", sa.Text(), nullable=False),
        sa.Column("display_name_key", sa.Text(), nullable=False),
        sa.Column("rules", postgresql.JSONB(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pools_pkey"),
    )
    op.create_index("pools_create_time_index", "pools", ["tenant_id", "create_time", "id"], unique=False)
    op.create_index("pools_display_name_index", "pools", ["tenant_id", "display_name_key", "id"], unique=False)
    op.create_table(
        "pool_visits",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("due_time", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", name="pool_visits_pkey"),
    )
    op.create_table(
        "lead_follow_ups",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("lead_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("happen_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("record_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("note", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["tenant_id", "lead_id"], ["leads.tenant_id", "leads.id"], name="lead_follow_ups_lead_fkey"
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="lead_follow_ups_pkey"),
    )
    op.create_index(
        "lead_follow_ups_lead_index", "lead_follow_ups", ["tenant_id", "lead_id", "record_time"], unique=False
    )
    op.create_table(
        "pipeline_stages",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("pipeline_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "pipeline_id"], ["pipelines.tenant_id", "pipelines.id"], name="pipeline_stages_pipeline_fkey"
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pipeline_stages_pkey"),
    )
    op.create_index("pipeline_stages_pipeline_index", "pipeline_stages", ["tenant_id", "pipeline_id"], unique=False)
    op.create_table(
        "opportunities",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("display_name", sa.Text(), nullable=False),
        sa.Column("display_name_key", sa.Text(), nullable=False),
        sa.Column("amount", sa.Numeric(), nullable=False),
        sa.Column("currency_code", sa.Text(), nullable=False),
        sa.Column("expected_close_date", sa.Date(), nullable=True),
        sa.Column("pipeline_id", sa.Uuid(), nullable=False),
        sa.Column("stage_id", sa.Uuid(), nullable=False),
        sa.Column("stage_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("move_count", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("probability_percent", sa.Integer(), nullable=False),
        sa.Column("next_step", sa.Text(), nullable=True),
        sa.Column("source", sa.Text(), nullable=True),
        sa.Column("source_key", sa.Text(), nullable=True),
        sa.Column("fields", postgresql.JSONB(), nullable=False),
        sa.Column("checked", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("team", postgresql.JSONB(), nullable=False),
        sa.Column("owner_id", sa.Uuid(), nullable=False),
        sa.Column("owner_team_id", sa.Uuid(), nullable=True),
        sa.Column("lead_id", sa.Uuid(), nullable=True),
        sa.Column("close_reason", sa.Text(), nullable=True),
        sa.Column("close_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("custom", postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "lead_id"], ["leads.tenant_id", "leads.id"], name="opportunities_lead_fkey"
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "stage_id"],
            ["pipeline_stages.tenant_id", "pipeline_stages.id"],
            name="opportunities_stage_fkey",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="opportunities_pkey"),
    )
    op.create_index(
        "opportunities_account_index", "opportunities", ["tenant_id", "account_id", "create_time"], unique=False
    )
    op.create_index("opportunities_amount_index", "opportunities", ["tenant_id", "amount", "id"], unique=False)
    op.create_index(
        "opportunities_create_time_index", "opportunities", ["tenant_id", "create_time", "id"], unique=False
    )
    op.create_index(
        "opportunities_display_name_index", "opportunities", ["tenant_id", "display_name_key", "id"], unique=False
    )
    op.create_index(
        "opportunities_expected_close_date_index",
        "opportunities",
        ["tenant_id", "expected_close_date", "id"],
        unique=False,
    )
    op.create_index("opportunities_lead_index", "opportunities", ["tenant_id", "lead_id"], unique=False)
    op.create_index(
        "opportunities_owner_index", "opportunities", ["tenant_id", "owner_id", "create_time", "id"], unique=False
    )
    op.create_index(
        "opportunities_owner_team_index", "opportunities", ["tenant_id", "owner_team_id", "create_time"], unique=False
    )
    op.create_index(
        "opportunities_stage_index", "opportunities", ["tenant_id", "stage_id", "create_time"], unique=False
    )
    op.create_index(
        "opportunities_update_time_index", "opportunities", ["tenant_id", "update_time", "id"], unique=False
    )
    op.create_table(
        "orders",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("opportunity_id", sa.Uuid(), nullable=True),
        sa.Column("currency_code", sa.Text(), nullable=False),
        sa.Column("lines", postgresql.JSONB(), nullable=False),
        sa.Column("payment_days", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("hold_reasons", postgresql.JSONB(), nullable=False),
        sa.Column("release", postgresql.JSONB(), nullable=True),
        sa.Column("net_amount", sa.Numeric(), nullable=False),
        sa.Column("tax_amount", sa.Numeric(), nullable=False),
        sa.Column("gross_amount", sa.Numeric(), nullable=False),
        sa.Column("paid_amount", sa.Numeric(), nullable=False),
        sa.Column("open_amount", sa.Numeric(), nullable=False),
        sa.Column("place_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("due_date", sa.Date(), nullable=True),
        sa.Column("cancel_reason", sa.Text(), nullable=True),
        sa.Column("owner_id", sa.Uuid(), nullable=False),
        sa.Column("owner_team_id", sa.Uuid(), nullable=True),
        sa.Column("custom", postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "opportunity_id"],
            ["opportunities.tenant_id", "opportunities.id"],
            name="orders_opportunity_fkey",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="orders_pkey"),
    )
    op.create_index("orders_account_index", "orders", ["tenant_id", "account_id", "due_date", "id"], unique=False)
    op.create_index("orders_create_time_index", "orders", ["tenant_id", "create_time", "id"], unique=False)
    op.create_index("orders_due_date_index", "orders", ["tenant_id", "due_date", "id"], unique=False)
    op.create_index(
        "orders_held_index",
        "orders",
        ["tenant_id", "account_id", "place_time", "id"],
        unique=False,
        postgresql_where=sa.text("state = 'ON_HOLD'"),
    )
    op.create_index("orders_opportunity_index", "orders", ["tenant_id", "opportunity_id"], unique=False)
    op.create_index("orders_owner_index", "orders", ["tenant_id", "owner_id", "create_time", "id"], unique=False)
    op.create_index("orders_owner_team_index", "orders", ["tenant_id", "owner_team_id", "create_time"], unique=False)
    op.create_index("orders_place_time_index", "orders", ["tenant_id", "place_time", "id"], unique=False)
    op.create_index("orders_update_time_index", "orders", ["tenant_id", "update_time", "id"], unique=False)
    op.create_table(
        "stage_changes",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("opportunity_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("change_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=False),
        sa.Column("from_stage_id", sa.Uuid(), nullable=False),
        sa.Column("to_stage_id", sa.Uuid(), nullable=False),
        sa.Column("from_state", sa.Text(), nullable=False),
        sa.Column("to_state", sa.Text(), nullable=False),
        sa.Column("amount", sa.Numeric(), nullable=False),
        sa.Column("currency_code", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["tenant_id", "opportunity_id"],
            ["opportunities.tenant_id", "opportunities.id"],
            name="stage_changes_opportunity_fkey",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "opportunity_id", "number", name="stage_changes_pkey"),
    )
    op.create_table(
        "payments",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("order_id", sa.Uuid(), nullable=True),
        sa.Column("amount", sa.Numeric(), nullable=False),
        sa.Column("currency_code", sa.Text(), nullable=False),
        sa.Column("receive_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reference", sa.Text(), nullable=True),
        sa.Column("bank_account", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reverse_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reverse_reason", sa.Text(), nullable=True),
        sa.Column("allocations", postgresql.JSONB(), nullable=False),
        sa.Column("unallocated_amount", sa.Numeric(), nullable=False),
        sa.Column("left_out_order_count", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("owner_id", sa.Uuid(), nullable=False),
        sa.Column("owner_team_id", sa.Uuid(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "order_id"], ["orders.tenant_id", "orders.id"], name="payments_order_fkey"
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="payments_pkey"),
        postgresql.ExcludeConstraint(
            (sa.text("payment_key(tenant_id, reference, bank_account)"), "&&"),
            name="payments_reference_excl",
            using="gist",
            where=sa.text("state = 'RECEIVED' AND reference IS NOT NULL"),
        ),
    )
    op.create_index("payments_account_index", "payments", ["tenant_id", "account_id", "create_time"], unique=False)
    op.create_index("payments_create_time_index", "payments", ["tenant_id", "create_time", "id"], unique=False)
    op.create_index("payments_owner_index", "payments", ["tenant_id", "owner_id", "create_time"], unique=False)
    op.create_index(
        "payments_owner_team_index", "payments", ["tenant_id", "owner_team_id", "create_time"], unique=False
    )
    op.create_index("payments_receive_time_index", "payments", ["tenant_id", "receive_time", "id"], unique=False)
    protected(
        "accounts",
        "contacts",
        "lead_claims",
        "lead_holders",
        "leads",
        "pipelines",
        "pools",
        "lead_follow_ups",
        "pipeline_stages",
        "opportunities",
        "orders",
        "stage_changes",
        "payments",
        plumbing=["account_handovers", "changed_pipelines", "hold_reviews", "pool_visits", "unfinished_histories"],
    )


def downgrade() -> None:
    op.drop_index("unfinished_histories_due_time_index", table_name="unfinished_histories")
    op.drop_table("unfinished_histories")
    op.drop_index("hold_reviews_look_index", table_name="hold_reviews")
    op.drop_table("hold_reviews")
    op.drop_index("changed_pipelines_due_index", table_name="changed_pipelines")
    op.drop_table("changed_pipelines")
    op.drop_index(
        "account_handovers_due_index",
        table_name="account_handovers",
        postgresql_where=sa.text("end_time IS NULL"),
    )
    op.drop_index(
        "account_handovers_retention_index",
        table_name="account_handovers",
        postgresql_where=sa.text("end_time IS NOT NULL"),
    )
    op.drop_table("account_handovers")
    op.drop_index("payments_receive_time_index", table_name="payments")
    op.drop_index("payments_owner_team_index", table_name="payments")
    op.drop_index("payments_owner_index", table_name="payments")
    op.drop_index("payments_create_time_index", table_name="payments")
    op.drop_index("payments_account_index", table_name="payments")
    op.drop_table("payments")
    op.drop_table("stage_changes")
    op.drop_index("orders_update_time_index", table_name="orders")
    op.drop_index("orders_place_time_index", table_name="orders")
    op.drop_index("orders_owner_team_index", table_name="orders")
    op.drop_index("orders_owner_index", table_name="orders")
    op.drop_index("orders_opportunity_index", table_name="orders")
    op.drop_index("orders_held_index", table_name="orders", postgresql_where=sa.text("state = 'ON_HOLD'"))
    op.drop_index("orders_due_date_index", table_name="orders")
    op.drop_index("orders_create_time_index", table_name="orders")
    op.drop_index("orders_account_index", table_name="orders")
    op.drop_table("orders")
    op.drop_index("opportunities_update_time_index", table_name="opportunities")
    op.drop_index("opportunities_stage_index", table_name="opportunities")
    op.drop_index("opportunities_owner_team_index", table_name="opportunities")
    op.drop_index("opportunities_owner_index", table_name="opportunities")
    op.drop_index("opportunities_lead_index", table_name="opportunities")
    op.drop_index("opportunities_expected_close_date_index", table_name="opportunities")
    op.drop_index("opportunities_display_name_index", table_name="opportunities")
    op.drop_index("opportunities_create_time_index", table_name="opportunities")
    op.drop_index("opportunities_amount_index", table_name="opportunities")
    op.drop_index("opportunities_account_index", table_name="opportunities")
    op.drop_table("opportunities")
    op.drop_index("pipeline_stages_pipeline_index", table_name="pipeline_stages")
    op.drop_table("pipeline_stages")
    op.drop_index("lead_follow_ups_lead_index", table_name="lead_follow_ups")
    op.drop_table("lead_follow_ups")
    op.drop_table("pool_visits")
    op.drop_index("pools_display_name_index", table_name="pools")
    op.drop_index("pools_create_time_index", table_name="pools")
    op.drop_table("pools")
    op.drop_index("pipelines_display_name_index", table_name="pipelines")
    op.drop_index("pipelines_create_time_index", table_name="pipelines")
    op.drop_table("pipelines")
    op.drop_index("leads_update_time_index", table_name="leads")
    op.drop_index("leads_safe_until_time_index", table_name="leads")
    op.drop_index("leads_owner_team_index", table_name="leads")
    op.drop_index("leads_owner_index", table_name="leads")
    op.drop_index("leads_last_follow_up_time_index", table_name="leads")
    op.drop_index(
        "leads_held_index",
        table_name="leads",
        postgresql_where=sa.text("owner_id IS NOT NULL AND state IN ('NEW', 'CONTACTED', 'QUALIFIED')"),
    )
    op.drop_index("leads_display_name_index", table_name="leads")
    op.drop_index(
        "leads_conversion_index",
        table_name="leads",
        postgresql_where=sa.text("conversion_attempt_time IS NOT NULL"),
    )
    op.drop_index("leads_create_time_index", table_name="leads")
    op.drop_table("leads")
    op.drop_table("lead_holders")
    op.drop_index("lead_claims_retention_index", table_name="lead_claims")
    op.drop_table("lead_claims")
    op.drop_table("contacts")
    op.drop_table("accounts")
    op.execute(DROP_KEY)
