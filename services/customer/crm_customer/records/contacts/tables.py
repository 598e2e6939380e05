"""Tables of contacts."""

from crm_kit.database.tables import Kept, reference, tenant_table, versioned_columns
from sqlalchemy import ARRAY, Column, Date, DateTime, Index, Integer, SmallInteger, Text, Uuid, func, text
from sqlalchemy.dialects.postgresql import JSONB

from crm_customer.metadata import metadata
from crm_customer.records.search.candidates import CONTACT_SEARCH
from crm_customer.records.search.tables import search_table

contacts = tenant_table(
    "contacts",
    metadata,
    Column("id", Uuid, nullable=False),
    Column("display_name", Text, nullable=False),
    Column("display_name_key", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("job_title", Text),
    Column("job_title_key", Text),
    Column("department", Text),
    Column("department_key", Text),
    Column("phone_numbers", ARRAY(Text), nullable=False),
    Column("emails", ARRAY(Text), nullable=False),
    Column("emails_key", ARRAY(Text), nullable=False),
    Column("birth_date", Date),
    Column("reports_to_id", Uuid),
    Column("preferences", Text),
    Column("taboos", Text),
    Column("consents", JSONB, nullable=False),
    Column("owner_id", Uuid),
    Column("owner_team_id", Uuid),
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
    *versioned_columns(),
    reference("reports_to_id", "contacts", name="contacts_reports_to_fkey", field="contact.reports_to_id"),
)
Index("contacts_create_time_index", contacts.c.tenant_id, contacts.c.create_time, contacts.c.id)
Index("contacts_update_time_index", contacts.c.tenant_id, contacts.c.update_time, contacts.c.id)
Index("contacts_owner_index", contacts.c.tenant_id, contacts.c.owner_id, contacts.c.create_time, contacts.c.id)
Index("contacts_owner_team_index", contacts.c.tenant_id, contacts.c.owner_team_id, contacts.c.create_time)
Index("contacts_reports_to_index", contacts.c.tenant_id, contacts.c.reports_to_id)
# The birthdays of a day, whatever their years.
Index("contacts_birth_date_index", contacts.c.tenant_id, contacts.c.birth_date, contacts.c.id)
Index("contacts_completeness_index", contacts.c.tenant_id, contacts.c.completeness, contacts.c.id)
Index("contacts_next_stale_time_index", contacts.c.tenant_id, contacts.c.next_stale_time, contacts.c.id)
# Records that sources disagree about: mostly few.
Index(
    "contacts_conflicting_fields_index",
    *(contacts.c[name] for name in ("tenant_id", "create_time", "id")),
    postgresql_where=func.cardinality(contacts.c.conflicting_fields) > 0,
)
# Which are to be assessed anew.
Index("contacts_quality_basis_index", contacts.c.tenant_id, contacts.c.quality_basis)
Index("contacts_display_name_index", contacts.c.tenant_id, contacts.c.display_name_key, contacts.c.id)

# At which accounts a contact is, and as what; the first position is the main account.
contact_accounts = tenant_table(
    "contact_accounts",
    metadata,
    Column("contact_id", Uuid, nullable=False),
    Column("account_id", Uuid, nullable=False),
    Column("position", SmallInteger, nullable=False),
    Column("role", Text),
    reference("contact_id", "contacts", name="contact_accounts_contact_fkey", field="contact.id"),
    reference("account_id", "accounts", name="contact_accounts_account_fkey", field="contact.accounts"),
    key=("contact_id", "account_id"),
    retention=Kept("part of the contact"),
)
Index(
    "contact_accounts_account_index",
    contact_accounts.c.tenant_id,
    contact_accounts.c.account_id,
    contact_accounts.c.contact_id,
)

# What a contact is found by.
contact_search = search_table(CONTACT_SEARCH, metadata, of=contacts)
