"""The roles that the platform brings, the same in every tenant.

Scopes: a representative sees what is theirs, a manager what is their team's and below, and what serves everybody
(users, teams, calendars, pools) everybody sees.
"""

from collections.abc import Mapping

ADMINISTRATOR = "ADMINISTRATOR"
SALES_MANAGER = "SALES_MANAGER"
SALES_REP = "SALES_REP"
SERVICE_AGENT = "SERVICE_AGENT"
ANALYST = "ANALYST"

CUSTOMER_RECORDS = ("accounts", "contacts", "interactions", "visits")
SALES_RECORDS = ("leads", "opportunities", "quotes", "orders")
SERVICE_DESK_RECORDS = ("cases", "inbound_messages", "outbound_messages", "calls")
SCORING_RECORDS = ("credit",)
SHARED = (
    "users",
    "teams",
    "calendars",
    "service_levels",
    "channels",
    "pools",
    "pipelines",
    "quality_rules",
    "segments",
    "products",
    "tax_rates",
)


def reads(scope: str, *resources: str) -> dict[str, str]:
    """Reading these resources with one scope."""
    return {f"{resource}.read": scope for resource in resources}


def writes(scope: str, *resources: str) -> dict[str, str]:
    """Reading and writing these resources with one scope."""
    return reads(scope, *resources) | {f"{resource}.write": scope for resource in resources}


BUILT_IN: Mapping[str, Mapping[str, str]] = {
    ADMINISTRATOR: {"*": "ALL"},
    SALES_MANAGER: {
        **reads("ALL", *SHARED, "roles", "feeds"),
        **writes("TEAM", "approval_delegations", "saved_views"),
        **writes("OWN", "dashboards"),
        **writes("TEAM", *CUSTOMER_RECORDS, *SALES_RECORDS, *SCORING_RECORDS, "imports", "payments"),
        "calls.dial": "TEAM",
        "calls.listen": "TEAM",
        "accounts.restrict": "TEAM",
        "segments.write": "TEAM",
        "orders.release": "TEAM",
        "opportunities.override": "TEAM",
        "reports.share": "ALL",
        **writes("ALL", "pools", "pipelines", "products", "tax_rates", "price_books"),
        "costs.read": "ALL",
        **reads("TEAM", *SERVICE_DESK_RECORDS, "scores"),
    },
    SALES_REP: {
        **reads("ALL", *SHARED),
        **writes(
            "OWN", *CUSTOMER_RECORDS, *SALES_RECORDS, "imports", "approval_delegations", "saved_views", "dashboards"
        ),
        **reads("OWN", *SERVICE_DESK_RECORDS, *SCORING_RECORDS, "scores", "payments", "price_books"),
        "calls.dial": "OWN",
        "segments.write": "OWN",
    },
    SERVICE_AGENT: {
        **reads("ALL", *SHARED, "accounts", "orders", "price_books", "scores", "visits"),
        **writes("ALL", *SERVICE_DESK_RECORDS, "contacts", "interactions"),
        "calls.dial": "ALL",
        **writes("OWN", "approval_delegations", "saved_views", "dashboards"),
    },
    ANALYST: {
        **reads("ALL", *SHARED, *CUSTOMER_RECORDS, *SALES_RECORDS, *SERVICE_DESK_RECORDS, *SCORING_RECORDS),
        **reads("ALL", "roles", "identity_providers", "imports", "feeds", "payments", "price_books", "scores"),
        "reports.share": "ALL",
        "segments.write": "OWN",
        **writes("OWN", "approval_delegations", "saved_views", "dashboards"),
    },
}
