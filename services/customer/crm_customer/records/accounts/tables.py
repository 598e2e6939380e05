"""Tables of accounts."""

from datetime import timedelta

from crm_kit.database.tables import (
    Clock,
    Kept,
    Retention,
    Violation,
    reference,
    tenant_table,
    unique,
    versioned_columns,
)
from crm_kit.identity.membership import with_members
from sqlalchemy import Boolean, Column, Date, DateTime, Index, Integer, Text, Uuid, false, func, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from crm_customer.metadata import metadata
from crm_customer.records.search.candidates import ACCOUNT_SEARCH
from crm_customer.records.search.tables import search_table

accounts = tenant_table(
    "accounts",
    metadata,
    Column("id", Uuid, nullable=False),
    Column("kind", Text, nullable=False),
    Column("display_name", Text, nullable=False),
    Column("display_name_key", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("status_before_archive", Text),
    Column("legal_name", Text),
    Column("legal_name_key", Text),
    Column("short_name", Text),
    Column("credit_code", Text),
    Column("roles", ARRAY(Text), nullable=False),
    Column("industry", Text),
    Column("industry_key", Text),
    Column("employee_count", Integer),
    Column("region_code", Text),
    Column("addresses", JSONB, nullable=False),
    Column("phone_numbers", ARRAY(Text), nullable=False),
    Column("emails", ARRAY(Text), nullable=False),
    Column("emails_key", ARRAY(Text), nullable=False),
    Column("website", Text),
    Column("source", Text),
    Column("source_key", Text),
    Column("parent_id", Uuid),
    Column("owner_id", Uuid),
    Column("owner_team_id", Uuid),
    Column("external_ids", JSONB, nullable=False),
    Column("tags", ARRAY(Text), nullable=False),
    Column("preferences", Text),
    Column("taboos", Text),
    Column("consents", JSONB, nullable=False),
    Column("competitor_profile", JSONB),
    Column("merged_into_id", Uuid),
    Column("restricted", Boolean, nullable=False, server_default=false()),
    Column("restricted_by", Text),
    Column("restriction_reason", Text),
    Column("custom", JSONB, nullable=False, server_default=text("'{}'")),
    Column("field_checks", JSONB, nullable=False, server_default=text("'[]'")),
    Column("sourced_fields", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    Column("conflicting_fields", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    Column("field_times", JSONB, nullable=False, server_default=text("'[]'")),
    Column("completeness", Integer),
    Column("missing_fields", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    Column("next_stale_time", DateTime(timezone=True)),
    # Of records that were never assessed it is empty.
    Column("quality_basis", Text, nullable=False, server_default=text("''")),
    Column("quality_tier", Text),
    # Projections: written by consumers, never with the rest of the row.
    Column("last_contact_time", DateTime(timezone=True)),
    Column("value_tier", Text),
    # The scores' version that the tier is of, so that an event that comes late changes nothing.
    Column("value_tier_version", Integer),
    *versioned_columns(),
    reference("parent_id", "accounts", name="accounts_parent_fkey", field="account.parent_id"),
)
Index("accounts_create_time_index", accounts.c.tenant_id, accounts.c.create_time, accounts.c.id)
Index("accounts_update_time_index", accounts.c.tenant_id, accounts.c.update_time, accounts.c.id)
Index("accounts_completeness_index", accounts.c.tenant_id, accounts.c.completeness, accounts.c.id)
Index("accounts_next_stale_time_index", accounts.c.tenant_id, accounts.c.next_stale_time, accounts.c.id)
# Records that sources disagree about: mostly few.
Index(
    "accounts_conflicting_fields_index",
    *(accounts.c[name] for name in ("tenant_id", "create_time", "id")),
    postgresql_where=func.cardinality(accounts.c.conflicting_fields) > 0,
)
# Which are to be assessed anew.
Index("accounts_quality_basis_index", accounts.c.tenant_id, accounts.c.quality_basis)
Index(
    "accounts_quality_tier_index",
    accounts.c.tenant_id,
    postgresql_where=accounts.c.quality_tier.is_distinct_from(accounts.c.value_tier),
)
Index("accounts_display_name_index", accounts.c.tenant_id, accounts.c.display_name_key, accounts.c.id)
Index("accounts_last_contact_time_index", accounts.c.tenant_id, accounts.c.last_contact_time, accounts.c.id)
Index("accounts_owner_index", accounts.c.tenant_id, accounts.c.owner_id, accounts.c.create_time, accounts.c.id)
Index("accounts_owner_team_index", accounts.c.tenant_id, accounts.c.owner_team_id, accounts.c.create_time)
# Which are not to be shown to everybody: few, or none.
Index("accounts_restricted_index", accounts.c.tenant_id, accounts.c.id, postgresql_where=accounts.c.restricted)
# Among which a rule that restricts accounts finds those that it takes.
Index(
    "accounts_undecided_index",
    *(accounts.c[name] for name in ("tenant_id", "value_tier", "kind")),
    postgresql_where=accounts.c.restricted_by.is_(None),
)
Index("accounts_parent_index", accounts.c.tenant_id, accounts.c.parent_id)
# Whether a company is there already is asked by its code.
Index(
    "accounts_credit_code_index",
    accounts.c.tenant_id,
    accounts.c.credit_code,
    postgresql_where=accounts.c.credit_code.is_not(None),
)

# Keys of accounts in other systems, unique in the tenant: what upserts go by.
account_external_ids = tenant_table(
    "account_external_ids",
    metadata,
    Column("source", Text, nullable=False),
    Column("value", Text, nullable=False),
    Column("account_id", Uuid, nullable=False),
    reference("account_id", "accounts", name="account_external_ids_account_fkey", field="id"),
    unique(
        "account_external_ids_source_key",
        "account_id",
        "source",
        reason="ALREADY_EXISTS",
        field="account.external_ids",
        detail="an account has one key per source",
    ),
    key=("source", "value"),
    retention=Kept("part of the account"),
)

# The account that a lead became, one for each lead. Only the sales service says so: whoever could would be given what
# others make of a lead.
account_leads = tenant_table(
    "account_leads",
    metadata,
    Column("lead_id", Uuid, nullable=False),
    Column("account_id", Uuid, nullable=False),
    # Whom the lead named then, whatever the account is called now.
    Column("lead_key", Text, nullable=False),
    reference("account_id", "accounts", name="account_leads_account_fkey", field="id"),
    key=("lead_id",),
    retention=Kept("part of the account"),
)

# Who works on an account beside its owner.
account_members = tenant_table(
    "account_members",
    metadata,
    Column("id", Uuid, nullable=False),
    Column("account_id", Uuid, nullable=False),
    Column("user_id", Uuid, nullable=False),
    Column("role", Text, nullable=False),
    Column("access", Text, nullable=False),
    Column("start_date", Date),
    Column("end_date", Date),
    Column("state", Text, nullable=False),
    *versioned_columns(),
    reference("account_id", "accounts", name="account_members_account_fkey", field="account_member.account_id"),
)
Index("account_members_create_time_index", *(account_members.c[name] for name in ("tenant_id", "create_time", "id")))
Index("account_members_account_index", account_members.c.tenant_id, account_members.c.account_id)
Index("account_members_user_index", account_members.c.tenant_id, account_members.c.user_id)
with_members(accounts, account_members)

# Who was shown which restricted account whole; see `reads`.
account_reads = tenant_table(
    "account_reads",
    metadata,
    Column("id", Uuid, nullable=False),
    Column("account_id", Uuid, nullable=False),
    Column("user_id", Uuid, nullable=False),
    Column("method", Text, nullable=False),
    # To the minute.
    Column("read_time", DateTime(timezone=True), nullable=False),
    unique(
        "account_reads_once_key",
        *("account_id", "read_time", "user_id", "method"),
        reason="ALREADY_EXISTS",
        field="read_time",
        detail="this was noted already",
    ),
    retention=Retention("read_time", timedelta(days=400), Clock.TENANT),
)
Index("account_reads_list_index", *(account_reads.c[name] for name in ("tenant_id", "account_id", "read_time", "id")))

# What an account is found by.
account_search = search_table(ACCOUNT_SEARCH, metadata, of=accounts)

account_leads.primary_key.info["violation"] = Violation(
    "conflict", "CONFLICT", "lead_id", "its account is created at the same time"
)
account_external_ids.primary_key.info["violation"] = Violation(
    "exists", "EXTERNAL_ID_TAKEN", "account.external_ids", "another account has this key already"
)
