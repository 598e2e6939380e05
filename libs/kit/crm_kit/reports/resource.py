"""Reports, declared."""

from crm.resource.v1 import events_pb2 as events
from crm.resource.v1 import reports_pb2 as pb
from sqlalchemy import bindparam

from crm_kit.plumbing import reports
from crm_kit.reports.model import Report, State
from crm_kit.resource.writing import Resource
from crm_kit.sharing.rights import seen

REPORTS = Resource(
    "report",
    entity=Report,
    table=reports,
    message=pb.Report,
    created=events.ReportCreated,
    updated=events.ReportUpdated,
    visible=seen(reports),
    hidden={"state": {State.ARCHIVED}},
    verbs={
        "CopyReport": lambda *_: None,
        "SubscribeToReport": lambda *_: None,
        "UnsubscribeFromReport": lambda *_: None,
        "ArchiveReport": lambda report, _: report.archive(),
        "RestoreReport": lambda report, _: report.restore(),
    },
)
# Needs the bind parameter `collection`.
OF_COLLECTION = REPORTS.list_of("reports", of=reports.c.collection == bindparam("collection"))
