"""The composition root of the sales service: what it is made of, and nothing else."""

from pathlib import Path

from crm_kit.directory.projection import follow_directory
from crm_kit.identity.tokens import FetchKeys
from crm_kit.paging import PageTokens
from crm_kit.rpc.clients import ServiceClient
from crm_kit.rpc.keys import keys_from_customer
from crm_kit.service import Service

from crm_sales.accounts.wire import Customer
from crm_sales.consumers import follow_accounts
from crm_sales.credit.wire import Credit
from crm_sales.leads.reclaim import Reclaim
from crm_sales.leads.servicer import LeadServicer
from crm_sales.opportunities.servicer import OpportunityServicer
from crm_sales.orders.servicer import OrderServicer
from crm_sales.payments.servicer import PaymentServicer
from crm_sales.pipelines.servicer import PipelineServicer
from crm_sales.pools.servicer import PoolServicer
from crm_sales.settings import SalesSettings
from crm_sales.tables import metadata
from crm_sales.tenants.provision import Provision

SETTINGS = SalesSettings


def build(settings: SalesSettings) -> Service:
    """Put the service together."""
    service = Service("sales", settings, metadata, Path(__file__).parent)
    tokens = PageTokens(settings.page_token_key.get_secret_value().encode())
    customer_peer, scoring_peer = ServiceClient(settings.customer_address), ServiceClient(settings.scoring_address)
    customer = Customer(customer_peer)
    credit = Credit(scoring_peer, seconds=settings.credit_check_seconds)
    provision = Provision(service.database)
    reclaim = Reclaim(service.database, every_seconds=settings.reclaim_seconds)
    service.servicers = [
        PoolServicer(provision, wake_reclaim=reclaim.wake),
        LeadServicer(tokens, provision, customer),
        PipelineServicer(tokens, provision),
        OpportunityServicer(tokens, provision, customer),
        OrderServicer(tokens, customer, credit),
        PaymentServicer(tokens, customer),
    ]
    follow_directory(service.consumers, service.directory, wake=reclaim.wake)
    follow_accounts(service.consumers)
    service.jobs = [reclaim.run]
    service.closers = [customer_peer.close, scoring_peer.close]
    return service


def built_in_keys(service: Service) -> FetchKeys:
    """The built-in issuer's keys, read from the customer service."""
    return keys_from_customer(service.settings.customer_address)
