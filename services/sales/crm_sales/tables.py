"""All tables of this service: importing this fills the catalogue."""

from crm_sales.accounts import tables as accounts
from crm_sales.contacts import tables as contacts
from crm_sales.leads import tables as leads
from crm_sales.metadata import metadata
from crm_sales.opportunities import tables as opportunities
from crm_sales.orders import tables as orders
from crm_sales.payments import tables as payments
from crm_sales.pipelines import tables as pipelines
from crm_sales.pools import tables as pools
from crm_sales.price_books import tables as price_books
from crm_sales.prices import tables as prices
from crm_sales.products import tables as products
from crm_sales.quotes import tables as quotes
from crm_sales.tax_rates import tables as tax_rates

__all__ = [
    "accounts",
    "contacts",
    "leads",
    "metadata",
    "opportunities",
    "orders",
    "payments",
    "pipelines",
    "pools",
    "price_books",
    "prices",
    "products",
    "quotes",
    "tax_rates",
]
