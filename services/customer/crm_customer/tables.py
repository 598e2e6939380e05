"""All tables of this service: importing this fills the catalogue."""

from crm_customer.accounts import tables as accounts
from crm_customer.contacts import tables as contacts
from crm_customer.metadata import metadata

__all__ = ["accounts", "contacts", "metadata"]
