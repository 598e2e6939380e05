"""The dashboard of the demo tenant: what a head of sales and service looks at first."""

from crm_kit.reports.ready import ready_id

from crm_customer.workspace.dashboards.model import Tile

DISPLAY_NAME = "经营总览"


def tile(collection: str, key: str, column: int, row: int) -> Tile:
    """A report that comes with the platform, in half of the width."""
    return Tile(collection, ready_id(collection, key), column=column, row=row)


TILES = (
    tile("opportunities", "won_by_month", 0, 0),
    tile("opportunities", "pipeline_by_stage", 6, 0),
    tile("orders", "arrears_by_due_month", 0, 4),
    tile("payments", "received_by_month", 6, 4),
    tile("leads", "by_source", 0, 8),
    tile("accounts", "by_region", 6, 8),
    tile("cases", "complaints_by_month", 0, 12),
    tile("scores", "contribution", 6, 12),
)
