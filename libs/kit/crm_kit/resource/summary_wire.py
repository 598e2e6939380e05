"""Summaries as answers have them, with the names of the records that groups go by."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from crm.resource.v1 import resources_pb2 as pb

from crm_kit.database.work import Reader
from crm_kit.listing import Listing, context_of
from crm_kit.resource.facets import ValueCounts
from crm_kit.resource.names import Names
from crm_kit.resource.questions import askable
from crm_kit.resource.reading import NO_BINDS, ReadableResource, in_turns
from crm_kit.resource.shown_groups import Shown
from crm_kit.resource.summaries import summarize


class AskedSummary(Protocol):
    """What every request for a summary has."""

    @property
    def filter(self) -> str: ...
    @property
    def group_by(self) -> Sequence[str]: ...
    @property
    def sum(self) -> Sequence[str]: ...


async def summarized(
    resource: ReadableResource[Any, Any],
    names: Names,
    reader: Reader,
    request: AskedSummary,
    *,
    measures: Sequence[str] = (),
    order_by: str = "",
    limit: int = 0,
    listing: Listing | None = None,
    binds: Mapping[str, Any] = NO_BINDS,
) -> pb.SummarizeRecordsResponse:
    """The summary of all records, or of a narrowed `listing` with its `binds`.

    InvalidArgument for what cannot be grouped by, measured or ordered by.
    """
    listing = listing or resource.listing
    asked = await askable(resource, reader, (*request.group_by, *measures, *request.sum))
    question = asked.question(request.group_by, measures, sum=request.sum, order_by=order_by, limit=limit)
    tree, _ = await listing.read(reader, request.filter)
    summary = await summarize(resource, reader, tree, question, listing=listing, binds=binds)
    shown = Shown(question, request.filter, context_of(reader).zone)
    groups = await in_turns(summary.groups, shown.group)
    for by in question.group_by:
        named = [group for group in groups if by.text in group.key]
        found = await names.by_id(reader, by.refers_to, {each.key[by.text] for each in named})
        for group in named:
            if name := found.get(group.key[by.text]):
                group.names[by.text] = name
    return pb.SummarizeRecordsResponse(
        groups=groups,
        total_count=summary.total.count,
        truncated=summary.left_out,
        total=shown.group(summary.total),
        others=shown.others(summary),
    )


async def named_values(
    resource: ReadableResource[Any, Any], names: Names, reader: Reader, field: str, counted: ValueCounts
) -> list[pb.CountRecordValuesResponse.Value]:
    """The values of a field with their counts, those that are ids with what the records are called."""
    contract = resource.paths.get(field)
    found = await names.by_id(reader, contract.refers_to if contract else "", {value for value, _ in counted.values})
    return [
        pb.CountRecordValuesResponse.Value(value=value, count=count, name=found.get(value, ""))
        for value, count in counted.values
    ]
