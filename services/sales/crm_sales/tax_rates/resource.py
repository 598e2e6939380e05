"""Tax rates, declared."""

from crm.sales.v1 import events_pb2 as events
from crm.sales.v1 import tax_rates_pb2 as pb
from crm_kit.resource.writing import Resource

from crm_sales.tax_rates.model import TaxRate
from crm_sales.tax_rates.tables import tax_rates

TAX_RATES = Resource(
    "tax_rate",
    entity=TaxRate,
    table=tax_rates,
    message=pb.TaxRate,
    created=events.TaxRateCreated,
    updated=events.TaxRateUpdated,
    default_order="valid_from_date desc",
)
