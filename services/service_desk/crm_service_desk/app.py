"""The composition root of the service desk: what it is made of, and nothing else."""

from datetime import timedelta
from pathlib import Path

from crm_kit.accounts import account_reference, accounts_from
from crm_kit.attachments.links import Links
from crm_kit.attachments.servicer import bounds_of
from crm_kit.background import Tenants
from crm_kit.contacts import Contacts
from crm_kit.identity.key_ring import FetchKeys
from crm_kit.paging import PageTokens
from crm_kit.rpc.clients import ServiceClient
from crm_kit.rpc.keys import keys_from_customer
from crm_kit.service import Service

from crm_service_desk.accounts.tables import accounts
from crm_service_desk.calendars.resource import CALENDARS
from crm_service_desk.calendars.servicer import CalendarServicer
from crm_service_desk.calls.expiring import Expiring
from crm_service_desk.calls.resource import CALLS
from crm_service_desk.calls.servicer import CallServicer
from crm_service_desk.cases.resource import CASES
from crm_service_desk.cases.servicer import CaseServicer
from crm_service_desk.cases.timers import Timers
from crm_service_desk.channels.resource import CHANNELS
from crm_service_desk.channels.secrets import ChannelSecrets
from crm_service_desk.channels.servicer import ChannelServicer
from crm_service_desk.consumers import follow_events
from crm_service_desk.contacts.tables import contacts
from crm_service_desk.inbound_messages.filing import FileBounds
from crm_service_desk.inbound_messages.intake import Intake
from crm_service_desk.inbound_messages.resource import INBOUND_MESSAGES
from crm_service_desk.inbound_messages.servicer import InboundMessageServicer
from crm_service_desk.mailboxes.fetching import Fetching
from crm_service_desk.mailboxes.passwords import Passwords
from crm_service_desk.mailboxes.resource import MAILBOXES
from crm_service_desk.mailboxes.servicer import MailboxServicer
from crm_service_desk.mailboxes.trying import Trying
from crm_service_desk.outbound_messages.commands import follow_report
from crm_service_desk.outbound_messages.resource import OUTBOUND_MESSAGES
from crm_service_desk.outbound_messages.sending import Sending
from crm_service_desk.outbound_messages.servicer import OutboundMessageServicer
from crm_service_desk.ready_reports import READY_REPORTS
from crm_service_desk.service_levels.resource import SERVICE_LEVELS
from crm_service_desk.service_levels.servicer import ServiceLevelServicer
from crm_service_desk.settings import ServiceDeskSettings
from crm_service_desk.signed_deliveries.authentication import Adapters
from crm_service_desk.signed_deliveries.servicer import SignedDeliveryServicer
from crm_service_desk.tables import metadata

SETTINGS = ServiceDeskSettings


def build(settings: ServiceDeskSettings) -> Service:
    """Put the service together."""
    service = Service("service_desk", settings, metadata, Path(__file__).parent)
    tokens = PageTokens(settings.page_token_key.encode())
    customer = ServiceClient(settings.customer_address, name="customer")
    known, known_contacts = accounts_from(customer, accounts), Contacts(customer, contacts)
    timers = Timers(Tenants(service.database, service.clock))
    window = timedelta(days=settings.reopen_days)
    secrets = ChannelSecrets(settings.channel_key_secret)
    adapters = Adapters(service.database, service.clock, service.directory, secrets)
    passwords = Passwords(settings.channel_key_secret)
    loopback = settings.is_development
    tenants, reach = Tenants(service.database, service.clock), settings.outbound_reach
    intake = Intake(follow_report, service.contents, FileBounds.of(**bounds_of(settings)), window=window)
    fetching = Fetching(tenants, service.directory, passwords, intake, reach, loopback=loopback)
    trying = Trying(service.database, reach, loopback=loopback)
    sending = Sending(tenants, passwords, service.contents, reach, loopback=loopback)
    expiring = Expiring(tenants)
    service.servicers = [
        CalendarServicer(tokens),
        CallServicer(tokens, known, known_contacts),
        ServiceLevelServicer(tokens),
        CaseServicer(tokens, known, known_contacts, reopen_window=window),
        ChannelServicer(tokens, secrets),
        InboundMessageServicer(tokens, known, known_contacts, intake, reopen_window=window),
        OutboundMessageServicer(tokens, sending.job.wake),
        MailboxServicer(tokens, passwords, trying, fetching.job.wake, loopback=loopback),
        SignedDeliveryServicer(service.database, adapters, intake, Links(settings.page_token_key.encode())),
    ]
    service.resources = [
        CALENDARS,
        CALLS,
        SERVICE_LEVELS,
        CASES.trying(ReopenCase=lambda case, attempt: case.require_reopenable(now=attempt.now, window=window)),
        CHANNELS,
        INBOUND_MESSAGES,
        OUTBOUND_MESSAGES,
        MAILBOXES,
    ]
    service.ready_reports = READY_REPORTS
    service.names = {"accounts": accounts, "contacts": contacts}
    service.references = {"accounts": account_reference(known)}
    follow_events(service.consumers, service.directory, wake=timers.job.wake)
    service.jobs += [timers.job.run, fetching.run, sending.run, expiring.job.run]
    service.closers.append(customer.close)
    return service


def built_in_keys(service: Service) -> FetchKeys:
    """The built-in issuer's keys, asked of the customer service."""
    return keys_from_customer(service.settings.customer_address)
