"""The composition root of the customer service: what it is made of, and nothing else."""

from pathlib import Path

from crm_kit.identity.tokens import FetchKeys
from crm_kit.paging import PageTokens
from crm_kit.service import Service

from crm_customer.accounts.servicer import AccountServicer
from crm_customer.consumers import follow_events
from crm_customer.contacts.servicer import ContactServicer
from crm_customer.interactions.servicer import InteractionServicer
from crm_customer.settings import CustomerSettings
from crm_customer.tables import metadata
from crm_customer.timeline.servicer import TimelineServicer

SETTINGS = CustomerSettings


def build(settings: CustomerSettings) -> Service:
    """Put the service together."""
    service = Service("customer", settings, metadata, Path(__file__).parent)
    tokens = PageTokens(settings.page_token_key.get_secret_value().encode())
    service.servicers = [
        AccountServicer(tokens),
        ContactServicer(tokens),
        InteractionServicer(tokens),
        TimelineServicer(tokens),
    ]
    follow_events(service.consumers)
    return service


def built_in_keys(service: Service) -> FetchKeys:
    """The built-in issuer's keys, read where they are made."""

    async def fetch() -> dict[str, object]:
        return {"keys": []}

    return fetch
