"""Visits, declared: who makes one sees it, and who sees its account."""

from crm.customer.v1 import events_pb2 as events
from crm.customer.v1 import visits_pb2 as pb
from crm_kit.accounts import reached_with_account
from crm_kit.resource.writing import Resource

from crm_customer.records.accounts.tables import accounts
from crm_customer.records.visits.model import Visit
from crm_customer.records.visits.tables import visits

VISITS = Resource(
    "visit",
    entity=Visit,
    table=visits,
    message=pb.Visit,
    created=events.VisitCreated,
    updated=events.VisitUpdated,
    visible=reached_with_account(visits, accounts),
    default_order="planned_time desc",
    verbs={
        "CompleteVisit": lambda visit, _: visit.require_completable(),
        "MissVisit": lambda visit, now: visit.miss(now),
        "CancelVisit": lambda visit, now: visit.cancel(now),
    },
    assigned="owner_id",
)
