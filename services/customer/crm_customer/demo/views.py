"""The views that everybody in the demo tenant finds."""

from typing import Any

from crm_customer.workspace.saved_views.model import Kind, Visibility

VIEWS: tuple[dict[str, Any], ...] = (
    {
        "display_name": "我的客户",
        "collection": "accounts",
        "filter": "owner_id = me",
        "order_by": "update_time desc",
        "columns": ("display_name", "region_code", "last_contact_time", "tags"),
        "visibility": Visibility.TENANT,
        "pinned": True,
    },
    {
        "display_name": "团队商机看板",
        "collection": "opportunities",
        "filter": "owner_team_id = my_team AND state = OPEN",
        "order_by": "expected_close_date",
        "columns": ("display_name", "account_name", "amount", "owner_name"),
        "group_by": "stage_id",
        "kind": Kind.BOARD,
        "visibility": Visibility.TENANT,
        "position": 1,
    },
    {
        "display_name": "待补录客户",
        "collection": "accounts",
        "filter": "completeness < 100 OR next_stale_time <= now",
        "order_by": "completeness",
        "columns": ("display_name", "completeness", "missing_fields", "next_stale_time", "owner_name"),
        "visibility": Visibility.TENANT,
        "position": 2,
    },
    {
        "display_name": "受限客户",
        "collection": "accounts",
        "filter": "restricted = true",
        "order_by": "update_time desc",
        "columns": ("display_name", "restricted_by", "restriction_reason", "owner_name"),
        "visibility": Visibility.TENANT,
        "position": 3,
    },
    {
        "display_name": "来源不一致客户",
        "collection": "accounts",
        "filter": "conflicting_fields:*",
        "order_by": "create_time desc",
        "columns": ("display_name", "conflicting_fields", "owner_name"),
        "visibility": Visibility.TENANT,
        "position": 4,
    },
    {
        "display_name": "疑似重复客户",
        "collection": "duplicate_pairs",
        "filter": "state = OPEN",
        "order_by": "score desc",
        "columns": ("account_name", "other_account_name", "score", "owner_names"),
        "visibility": Visibility.TENANT,
        "position": 5,
    },
)
