"""All tables of this service: importing this fills the catalogue."""

from crm_customer.directory.approval_delegations import tables as approval_delegations
from crm_customer.directory.identity_providers import tables as identity_providers
from crm_customer.directory.policy_references import tables as policy_references
from crm_customer.directory.roles import tables as roles
from crm_customer.directory.sign_ins import tables as sign_ins
from crm_customer.directory.teams import tables as teams
from crm_customer.directory.tenants import tables as tenants
from crm_customer.directory.tokens import tables as tokens
from crm_customer.directory.user_settings import tables as user_settings
from crm_customer.directory.users import tables as users
from crm_customer.feeds import tables as feeds
from crm_customer.feeds.deliveries import tables as feed_deliveries
from crm_customer.imports import tables as imports
from crm_customer.integrations.webhook_deliveries import tables as webhook_deliveries
from crm_customer.integrations.webhook_endpoints import tables as webhook_endpoints
from crm_customer.metadata import metadata
from crm_customer.records.account_restrictions import tables as account_restrictions
from crm_customer.records.accounts import tables as accounts
from crm_customer.records.contacts import tables as contacts
from crm_customer.records.duplicate_pairs import tables as duplicate_pairs
from crm_customer.records.duplicate_rules import tables as duplicate_rules
from crm_customer.records.interactions import tables as interactions
from crm_customer.records.quality_rules import tables as quality_rules
from crm_customer.records.segments import tables as segments
from crm_customer.records.source_values import tables as source_values
from crm_customer.records.timeline import tables as timeline
from crm_customer.records.visits import tables as visits
from crm_customer.workspace.dashboards import tables as dashboards
from crm_customer.workspace.notification_preferences import tables as notification_preferences
from crm_customer.workspace.notifications import tables as notifications
from crm_customer.workspace.saved_views import tables as saved_views

__all__ = [
    "account_restrictions",
    "accounts",
    "approval_delegations",
    "contacts",
    "dashboards",
    "duplicate_pairs",
    "duplicate_rules",
    "feed_deliveries",
    "feeds",
    "identity_providers",
    "imports",
    "interactions",
    "metadata",
    "notification_preferences",
    "notifications",
    "policy_references",
    "quality_rules",
    "roles",
    "saved_views",
    "segments",
    "sign_ins",
    "source_values",
    "teams",
    "tenants",
    "timeline",
    "tokens",
    "user_settings",
    "users",
    "visits",
    "webhook_deliveries",
    "webhook_endpoints",
]
