"""What the demo tenant adds to accounts."""

from collections.abc import Mapping
from typing import Any

from crm_kit.custom_fields.model import FieldType, Label, Option

ACCOUNT_FIELDS: tuple[Mapping[str, Any], ...] = (
    {
        "key": "contract_no",
        "type": FieldType.TEXT,
        "label": Label(zh="框架合同编号", en="Framework contract number"),
        "unique": True,
    },
    {
        "key": "installed_capacity",
        "type": FieldType.NUMBER,
        "label": Label(zh="装机容量（兆瓦）", en="Installed capacity (MW)"),
    },
    {
        "key": "voltage_levels",
        "type": FieldType.MULTI_SELECT,
        "label": Label(zh="电压等级", en="Voltage levels"),
        "options": tuple(Option(key, Label(zh=f"{key} 千伏", en=f"{key} kV")) for key in ("10", "35", "110", "220")),
    },
)
