"""Jobs, declared. One's own, and those of others but imports, of collections all of whose records one may read.

Whose imports somebody else sees is decided where imports are.
"""

from crm.resource.v1 import events_pb2 as events
from crm.resource.v1 import jobs_pb2 as pb
from sqlalchemy import ColumnElement, bindparam, or_

from crm_kit.identity.access import Scope
from crm_kit.jobs.model import Job, Kind
from crm_kit.plumbing import jobs
from crm_kit.resource.writing import Resource


def _visible(scope: Scope) -> ColumnElement[bool]:
    own = jobs.c.owner_id == bindparam("me")
    return or_(own, jobs.c.kind != Kind.IMPORT) if scope is Scope.ALL else own


JOBS = Resource(
    "job",
    entity=Job,
    table=jobs,
    message=pb.Job,
    created=events.JobCreated,
    visible=_visible,
    verbs={"CancelJob": lambda job, attempt: job.cancel(attempt.now)},
)
# Needs the bind parameter `collection`.
OF_COLLECTION = JOBS.list_of("jobs", of=jobs.c.collection == bindparam("collection"), is_long=True)
