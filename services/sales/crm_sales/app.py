"""The composition root of the sales service: what it is made of, and nothing else."""

from pathlib import Path

from crm.sales.v1 import payments_pb2
from crm_kit.accounts import account_reference, accounts_from
from crm_kit.background import Tenants
from crm_kit.contacts import Contacts
from crm_kit.identity.key_ring import FetchKeys
from crm_kit.identity.services import ServiceIdentity
from crm_kit.paging import PageTokens
from crm_kit.rpc.clients import ServiceClient
from crm_kit.rpc.keys import keys_from_customer
from crm_kit.service import Service

from crm_sales.accounts.client import CustomerClient
from crm_sales.accounts.tables import accounts
from crm_sales.consumers import follow_events
from crm_sales.contacts.tables import contacts
from crm_sales.credit.client import CreditClient
from crm_sales.leads.attempts import TRIED_LEADS
from crm_sales.leads.histories import Histories
from crm_sales.leads.protection import held_leads
from crm_sales.leads.reclaim import Reclaim
from crm_sales.leads.servicer import LeadServicer
from crm_sales.opportunities.following import Following
from crm_sales.opportunities.servicer import OpportunityServicer
from crm_sales.orders.deals import ORDERED_OPPORTUNITIES, require_not_ordered
from crm_sales.orders.holds import Holds
from crm_sales.orders.queries import accounts_of_orders
from crm_sales.orders.resource import ORDERS, RELEASING_ORDERS
from crm_sales.orders.servicer import OrderServicer
from crm_sales.payments.resource import PAYMENTS
from crm_sales.payments.servicer import PaymentServicer
from crm_sales.payments.wire import OrdersInReach
from crm_sales.pipelines.queries import stage_names
from crm_sales.pipelines.resource import PIPELINES
from crm_sales.pipelines.servicer import PipelineServicer
from crm_sales.pools.resource import POOLS
from crm_sales.pools.servicer import PoolServicer
from crm_sales.price_books.resource import PRICE_BOOKS
from crm_sales.price_books.servicer import PriceBookServicer
from crm_sales.priced_lines.servicer import price_lines
from crm_sales.prices.resource import PRICES
from crm_sales.prices.servicer import PriceServicer
from crm_sales.products.resource import PRODUCTS
from crm_sales.products.servicer import ProductServicer
from crm_sales.quotes.expiring import Expiring
from crm_sales.quotes.resource import QUOTES, SUBMITTING_QUOTES
from crm_sales.quotes.servicer import QuoteServicer
from crm_sales.ready_reports import READY_REPORTS
from crm_sales.settings import SalesSettings
from crm_sales.tables import metadata
from crm_sales.tax_rates.resource import TAX_RATES
from crm_sales.tax_rates.servicer import TaxRateServicer

SETTINGS = SalesSettings


def build(settings: SalesSettings) -> Service:
    """Put the service together."""
    service = Service("sales", settings, metadata, Path(__file__).parent)
    tokens = PageTokens(settings.page_token_key.encode())
    identity = ServiceIdentity("sales", settings.sales_key.encode())
    customer_peer = ServiceClient(settings.customer_address, identity, name="customer")
    scoring_peer = ServiceClient(settings.scoring_address, identity, name="scoring")
    customer, known = CustomerClient(customer_peer), accounts_from(customer_peer, accounts)
    credit = CreditClient(scoring_peer, seconds=settings.credit_check_seconds)
    reclaim = Reclaim(Tenants(service.database, service.clock), every_seconds=settings.reclaim_seconds)
    following = Following(Tenants(service.database, service.clock))
    histories = Histories(Tenants(service.database, service.clock))
    holds = Holds(Tenants(service.database, service.clock), known, credit)
    expiring = Expiring(Tenants(service.database, service.clock))
    service.servicers = [
        PoolServicer(tokens, holdings=held_leads, wake_reclaim=reclaim.job.wake),
        LeadServicer(tokens, known, customer, wake_histories=histories.job.wake),
        PipelineServicer(tokens),
        OpportunityServicer(tokens, known, require_not_ordered=require_not_ordered),
        OrderServicer(tokens, known, credit),
        PaymentServicer(tokens, known),
        ProductServicer(tokens),
        TaxRateServicer(tokens),
        PriceBookServicer(tokens, known, price_lines),
        PriceServicer(tokens),
        QuoteServicer(tokens, known, Contacts(customer_peer, contacts)),
    ]
    service.ready_reports = READY_REPORTS
    service.resources = [
        TRIED_LEADS,
        POOLS,
        PIPELINES,
        ORDERED_OPPORTUNITIES,
        ORDERS,
        PAYMENTS,
        PRODUCTS,
        TAX_RATES,
        PRICE_BOOKS,
        PRICES,
        QUOTES,
    ]
    service.approvables = [RELEASING_ORDERS, SUBMITTING_QUOTES]
    service.names = {
        "accounts": accounts,
        "contacts": contacts,
        "orders": accounts_of_orders(),
        "pipelines.stages": stage_names(),
    }
    service.withheld = {payments_pb2.Payment: OrdersInReach()}
    service.references = {"accounts": account_reference(known)}
    follow_events(
        service.consumers,
        service.directory,
        wake=reclaim.job.wake,
        wake_following=following.job.wake,
        wake_holds=holds.job.wake,
    )
    service.jobs = [reclaim.job.run, following.job.run, histories.job.run, holds.job.run, expiring.job.run]
    service.closers += [customer_peer.close, scoring_peer.close]
    return service


def built_in_keys(service: Service) -> FetchKeys:
    """The built-in issuer's keys, read from the customer service."""
    return keys_from_customer(service.settings.customer_address)
