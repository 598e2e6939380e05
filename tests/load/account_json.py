"""The account that all programs of a comparison serve, as JSON, and its columns."""

from typing import Any

from tests.load.traffic import NUMBER

CREATED: dict[str, Any] = {
    "kind": "KIND_ORGANIZATION",
    "display_name": f"恒通电力设备 {NUMBER.decode()}",
    "legal_name": "深圳恒通电力设备有限公司",
    "short_name": "恒通",
    "credit_code": "9144030071526726XG",
    "roles": ["ROLE_PROSPECT", "ROLE_CUSTOMER"],
    "industry": "电力",
    "employee_count": 250,
    "region_code": "CN-GD",
    "addresses": [
        {
            "kind": "KIND_OFFICE",
            "region_code": "CN-GD",
            "city": "深圳",
            "line": "科技园南路 8 号",
            "postal_code": "518057",
        }
    ],
    "phone_numbers": ["+8675526001234"],
    "emails": ["office@hengtong.example"],
    "website": "https://www.hengtong.example",
    "source": "trade fair",
    "tags": ["vip", "grid"],
}
"""What is posted: a company as people really enter one, with most fields filled."""

LEAST: dict[str, Any] = {name: CREATED[name] for name in ("kind", "display_name")}
"""An account of which no more is known: what is not set is answered alike, too."""

TEXTS = ("legal_name", "short_name", "credit_code", "industry", "region_code", "website", "source")
REFERENCES = ("parent_id", "owner_id", "owner_team_id", "merged_into_id")
