"""All tables of this service: importing this fills the catalogue."""

from crm_customer.accounts import tables as accounts
from crm_customer.contacts import tables as contacts
from crm_customer.imports import tables as imports
from crm_customer.interactions import tables as interactions
from crm_customer.metadata import metadata
from crm_customer.roles import tables as roles
from crm_customer.teams import tables as teams
from crm_customer.tenants import tables as tenants
from crm_customer.timeline import tables as timeline
from crm_customer.tokens import tables as tokens
from crm_customer.users import tables as users

__all__ = [
    "accounts",
    "contacts",
    "imports",
    "interactions",
    "metadata",
    "roles",
    "teams",
    "tenants",
    "timeline",
    "tokens",
    "users",
]
