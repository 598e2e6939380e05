"""All tables of this service: importing this fills the catalogue."""

from crm_customer.accounts import tables as accounts
from crm_customer.contacts import tables as contacts
from crm_customer.interactions import tables as interactions
from crm_customer.metadata import metadata
from crm_customer.timeline import tables as timeline

__all__ = ["accounts", "contacts", "interactions", "metadata", "timeline"]
