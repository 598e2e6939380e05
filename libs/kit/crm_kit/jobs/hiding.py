"""Jobs without what they say of fields that are hidden from who looks at them.

Who reads all records of a collection sees everybody's jobs, and with one which records it changed, and to what.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from crm.resource.v1 import jobs_pb2 as pb

from crm_kit.database.work import Reader
from crm_kit.errors import InvalidArgument
from crm_kit.field_rights import CUSTOM, is_hidden
from crm_kit.jobs.model import Job
from crm_kit.resource.writing import Resource

# A filter that speaks of what is hidden.
WITHHELD = "…"


async def conceal_jobs(reader: Reader, resource: Resource[Any, Any], jobs: Iterable[pb.Job]) -> None:
    """Take out of jobs of the collection what their requests and filters say of hidden fields."""
    hidden = reader.actor.access.hidden_of(resource.collection)
    for job in jobs if hidden else ():
        for name in [each for each in job.request if is_hidden(each, hidden)]:
            del job.request[name]
        if CUSTOM in job.request:
            own = job.request[CUSTOM].struct_value.fields
            for key in [each for each in own if f"{CUSTOM}.{each}" in hidden]:
                del own[key]
        try:
            await resource.listing.read(reader, job.filter)
        except InvalidArgument:
            job.filter = WITHHELD


def conceal_results(hidden: frozenset[str], job: Job, results: Iterable[pb.JobResult]) -> None:
    """Take out of results what values of hidden fields were refused for: that tells of the values."""
    asks_for_hidden = any(map(_speaker_of(hidden), _asked(job)))
    for result in results if hidden else ():
        if asks_for_hidden or any(_speaker_of(hidden)(each.field) for each in result.violations):
            result.ClearField("violations")
            result.ClearField("detail")


def _asked(job: Job) -> Iterator[str]:
    """The fields that the request of a job names."""
    custom = job.request.get(CUSTOM)
    yield from (name for name in job.request if name != CUSTOM)
    yield from (f"{CUSTOM}.{key}" for key in (custom if isinstance(custom, Mapping) else ()))


def _speaker_of(hidden: frozenset[str]) -> Callable[[str], bool]:
    """Tells whether a place in a request, such as `account.custom.size` or `emails[0]`, is in a hidden field."""

    def speaks(place: str) -> bool:
        parts = re.sub(r"\[\d+\]", "", place).split(".")
        return any(".".join(parts[first:last]) in hidden for first in (0, 1) for last in (first + 1, first + 2))

    return speaks
