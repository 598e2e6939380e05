"""Every write on tax rates."""

from typing import Any

from crm.sales.v1 import events_pb2 as events
from crm_kit.database.work import UnitOfWork
from crm_kit.ids import new_id

from crm_sales.tax_rates.model import TaxRate
from crm_sales.tax_rates.resource import TAX_RATES


def create_tax_rate(work: UnitOfWork, values: dict[str, Any]) -> TaxRate:
    """Create a rate."""
    rate = TaxRate(id=new_id(), create_time=work.now, update_time=work.now, **values)
    return TAX_RATES.create(work, rate.checked())


def update_tax_rate(work: UnitOfWork, before: TaxRate, values: dict[str, Any]) -> TaxRate:
    """Change some fields of a rate."""
    after = before.update(values, today=work.actor.access.day_of(work.now)).checked()
    return TAX_RATES.save(work, before, after, events.TaxRateUpdated)
