"""The rules that every tenant begins with, and changes as it likes."""

from collections.abc import Mapping, Sequence
from typing import Any

from crm_customer.records.account_kinds import Kind, ValueTier
from crm_customer.records.quality_rules.model import ExpectedField

YEAR, HALF_A_YEAR = 365, 182

DEFAULT_RULES: Sequence[Mapping[str, Any]] = (
    {
        "display_name": "重点企业客户",
        "collection": "accounts",
        "position": 10,
        "kinds": (Kind.ORGANIZATION,),
        "value_tiers": (ValueTier.KEY, ValueTier.MAJOR),
        "expected_fields": (
            ExpectedField("phone_numbers", 20, HALF_A_YEAR),
            ExpectedField("credit_code", 15),
            ExpectedField("addresses", 15, YEAR),
            ExpectedField("industry", 10),
            ExpectedField("legal_name", 10),
            ExpectedField("employee_count", 10, YEAR),
            ExpectedField("preferences", 10, YEAR),
            ExpectedField("region_code", 5),
            ExpectedField("website", 5),
        ),
    },
    {
        "display_name": "企业客户",
        "collection": "accounts",
        "position": 20,
        "kinds": (Kind.ORGANIZATION,),
        "expected_fields": (
            ExpectedField("phone_numbers", 30, YEAR),
            ExpectedField("credit_code", 20),
            ExpectedField("industry", 20),
            ExpectedField("region_code", 15),
            ExpectedField("addresses", 15, 2 * YEAR),
        ),
    },
    {
        "display_name": "个人客户",
        "collection": "accounts",
        "position": 30,
        "kinds": (Kind.PERSON,),
        "expected_fields": (
            ExpectedField("phone_numbers", 50, YEAR),
            ExpectedField("region_code", 20),
            ExpectedField("addresses", 20, 2 * YEAR),
            ExpectedField("source", 10),
        ),
    },
    {
        "display_name": "联系人",
        "collection": "contacts",
        "position": 10,
        "expected_fields": (
            ExpectedField("phone_numbers", 40, YEAR),
            ExpectedField("job_title", 25, YEAR),
            ExpectedField("emails", 20, YEAR),
            ExpectedField("department", 15, YEAR),
        ),
    },
)
