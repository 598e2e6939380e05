"""Dashboards, declared."""

from crm.customer.v1 import dashboards_pb2 as pb
from crm.customer.v1 import events_pb2 as events
from crm_kit.resource.writing import Resource
from crm_kit.sharing.rights import seen

from crm_customer.workspace.dashboards.model import Dashboard, State
from crm_customer.workspace.dashboards.tables import dashboards

DASHBOARDS = Resource(
    "dashboard",
    entity=Dashboard,
    table=dashboards,
    message=pb.Dashboard,
    created=events.DashboardCreated,
    updated=events.DashboardUpdated,
    visible=seen(dashboards),
    hidden={"state": {State.ARCHIVED}},
    verbs={
        "ArchiveDashboard": lambda dashboard, _: dashboard.archive(),
        "RestoreDashboard": lambda dashboard, _: dashboard.restore(),
    },
)
