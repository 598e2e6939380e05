"""All tables of this service: importing this fills the catalogue."""

from crm_service_desk.accounts import tables as accounts
from crm_service_desk.calendars import tables as calendars
from crm_service_desk.cases import tables as cases
from crm_service_desk.contacts import tables as contacts
from crm_service_desk.metadata import metadata
from crm_service_desk.service_levels import tables as service_levels

__all__ = ["accounts", "calendars", "cases", "contacts", "metadata", "service_levels"]
