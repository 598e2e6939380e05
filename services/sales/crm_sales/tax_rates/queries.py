"""Every SELECT on tax rates that their declaration does not make."""

from collections.abc import Collection, Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from crm_kit.database.statements import statement
from crm_kit.database.work import Reader
from sqlalchemy import Select, Text, any_, bindparam, select
from sqlalchemy.dialects.postgresql import ARRAY

from crm_sales.tax_rates.tables import tax_rates


@statement
def rates_on_day() -> Select[Any]:
    """Of each class the rate that began last."""
    return (
        select(tax_rates.c.tax_class, tax_rates.c.percent)
        .distinct(tax_rates.c.tax_class)
        .where(
            tax_rates.c.tenant_id == bindparam("tenant_id"),
            tax_rates.c.tax_class == any_(bindparam("tax_classes", type_=ARRAY(Text))),
            tax_rates.c.valid_from_date <= bindparam("day"),
        )
        .order_by(tax_rates.c.tax_class, tax_rates.c.valid_from_date.desc())
    )


async def tax_percents(reader: Reader, tax_classes: Collection[str], day: date) -> Mapping[str, Decimal]:
    """How the classes are taxed on a day; those that have no rate by then are left out."""
    rows = await reader.all(rates_on_day(), tax_classes=sorted(tax_classes), day=day)
    return {row["tax_class"]: row["percent"] for row in rows}
