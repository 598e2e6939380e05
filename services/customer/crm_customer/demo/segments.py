"""The segments of the demo tenant: by filters, so that they have members as soon as there are accounts."""

from collections.abc import Mapping
from typing import Any

from crm_customer.records.segments.model import Kind

SEGMENTS: tuple[Mapping[str, Any], ...] = (
    {
        "display_name": "重点客户",
        "description": "价值等级为重点或大客户",
        "kind": Kind.DYNAMIC,
        "filter": "value_tier IN (KEY, MAJOR)",
    },
    {
        "display_name": "久未联系客户",
        "description": "合作中，但 90 天内没有互动记录",
        "kind": Kind.DYNAMIC,
        "filter": "status = ACTIVE AND (last_contact_time = null OR last_contact_time < now-90d)",
    },
    {
        "display_name": "装机容量前 50 名",
        "kind": Kind.DYNAMIC,
        "filter": "custom.installed_capacity > 0",
        "order_by": "custom.installed_capacity desc",
        "max_members": 50,
    },
)
