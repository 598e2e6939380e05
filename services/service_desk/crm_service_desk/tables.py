"""All tables of this service: importing this fills the catalogue."""

from crm_service_desk.accounts import tables as accounts
from crm_service_desk.addresses import tables as addresses
from crm_service_desk.calendars import tables as calendars
from crm_service_desk.calls import tables as calls
from crm_service_desk.cases import tables as cases
from crm_service_desk.channels import tables as channels
from crm_service_desk.contacts import tables as contacts
from crm_service_desk.inbound_messages import tables as inbound_messages
from crm_service_desk.mailboxes import tables as mailboxes
from crm_service_desk.metadata import metadata
from crm_service_desk.outbound_messages import tables as outbound_messages
from crm_service_desk.service_levels import tables as service_levels

__all__ = [
    "accounts",
    "addresses",
    "calendars",
    "calls",
    "cases",
    "channels",
    "contacts",
    "inbound_messages",
    "mailboxes",
    "metadata",
    "outbound_messages",
    "service_levels",
]
