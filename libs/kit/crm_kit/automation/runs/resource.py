"""Runs, declared. They have no history, and only of those that did nothing is an event told."""

from crm.resource.v1 import automation_runs_pb2 as pb
from crm.resource.v1 import events_pb2 as events
from sqlalchemy import bindparam

from crm_kit.automation.runs.model import AutomationRun
from crm_kit.plumbing import automation_runs
from crm_kit.resource.writing import Resource

RUNS = Resource(
    "automation_run",
    entity=AutomationRun,
    table=automation_runs,
    message=pb.AutomationRun,
    created=events.AutomationRunFailed,
)
# Needs the bind parameter `collection`.
OF_COLLECTION = RUNS.list_of(
    "automation_runs", of=automation_runs.c.collection == bindparam("collection"), is_long=True
)
