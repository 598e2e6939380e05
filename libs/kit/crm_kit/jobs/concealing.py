"""What jobs say of fields that are hidden from who reads them: nothing.

A job says what many records have been given, and by which values they were chosen: as much as the fields would.
"""

import asyncio
from collections.abc import Collection
from uuid import UUID

from crm.resource.v1 import jobs_pb2 as pb
from google.protobuf.struct_pb2 import Struct

from crm_kit.database.work import Reader
from crm_kit.errors import InvalidArgument
from crm_kit.field_rights import CUSTOM, is_hidden
from crm_kit.identity.access import Scope
from crm_kit.jobs.calling import Changeable
from crm_kit.resource.permitted import may_be_restricted


async def conceal_jobs(reader: Reader, on: Changeable, jobs: Collection[pb.Job]) -> None:
    """Take what is hidden from the reader out of jobs of a collection."""
    for job in jobs if on.resource.hidden_from(reader) else ():
        await conceals(reader, on, job)
        # Of each the filter is read.
        await asyncio.sleep(0)


async def conceals(reader: Reader, on: Changeable, job: pb.Job) -> bool:
    """Take what is hidden from the reader out of a job; whether there was anything.

    Then its filter goes as a whole, and what it failed for, which may have values in it.
    """
    hidden = on.resource.hidden_from(reader)
    if not hidden:
        return False
    custom = job.request[CUSTOM].struct_value if CUSTOM in job.request else Struct()
    told = [name for name in job.request if name != CUSTOM and is_hidden(name, hidden)]
    for name in told:
        del job.request[name]
    told_custom = [key for key in custom.fields if f"{CUSTOM}.{key}" in hidden]
    for key in told_custom:
        del custom.fields[key]
    is_shown = not told and not told_custom and await _may_filter(reader, on, job.filter)
    if not is_shown:
        job.ClearField("filter")
        job.ClearField("failure")
    return not is_shown


def conceal_results(results: Collection[pb.JobResult]) -> None:
    """Take what records were refused for out of the results of a job that `conceals` something."""
    for each in results:
        each.ClearField("detail")
        each.ClearField("violations")


async def conceal_closed(reader: Reader, on: Changeable, results: Collection[pb.JobResult]) -> None:
    """Leave nothing but place and outcome of records that are at an account which is restricted from the reader.

    Only ALL reaches what others' jobs have done; of one's own job one has asked for its records.
    """
    is_all = reader.scope is Scope.ALL and not reader.actor.access.reads_restricted
    if not (results and is_all and may_be_restricted(on.resource)):
        return
    seen = await on.resource.readable(reader, [UUID(each.record_id) for each in results])
    for each in results:
        if UUID(each.record_id) not in seen:
            each.CopyFrom(pb.JobResult(position=each.position, outcome=each.outcome))


async def _may_filter(reader: Reader, on: Changeable, filter: str) -> bool:
    """Whether the reader could filter so themselves. Of a field that is no more nobody can say whose it was."""
    try:
        await on.resource.listing.read(reader, filter)
    except InvalidArgument:
        return False
    return True
