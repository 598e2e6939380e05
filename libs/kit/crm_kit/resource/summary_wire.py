"""Summaries as answers have them, with the names of the records that groups go by."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from crm.resource.v1 import resources_pb2 as pb
from crm.type.v1 import money_pb2

from crm_kit.database.work import Reader
from crm_kit.money import format_amount
from crm_kit.resource.names import Names
from crm_kit.resource.reading import ReadableResource
from crm_kit.resource.summaries import Group, Summary


async def groups_to_pb(
    summary: Summary, resource: ReadableResource[Any, Any], names: Names, reader: Reader, group_by: Sequence[str]
) -> list[pb.SummarizeRecordsResponse.Group]:
    """The groups of a summary."""
    groups = [group_to_pb(each) for each in summary.groups]
    for field in group_by:
        named = [group for group in groups if field in group.key]
        found = await names_of_values(resource, names, reader, field, {each.key[field] for each in named})
        for group in named:
            if name := found.get(group.key[field]):
                group.names[field] = name
    return groups


async def names_of_values(
    resource: ReadableResource[Any, Any], names: Names, reader: Reader, field: str, ids: Collection[str]
) -> Mapping[str, str]:
    """What the records are called that values of a field are the ids of; nothing for other values."""
    contract = resource.paths.get(field)
    return await names.by_id(reader, contract.refers_to if contract else "", ids)


def group_to_pb(group: Group) -> pb.SummarizeRecordsResponse.Group:
    sums = []
    for (name, currency_code), value in group.sums.items():
        if currency_code:
            amount = money_pb2.Money(amount=format_amount(value, currency_code), currency_code=currency_code)
            sums.append(pb.SummarizeRecordsResponse.Sum(field=name, amount=amount))
        else:
            sums.append(pb.SummarizeRecordsResponse.Sum(field=name, number=f"{value:f}"))
    return pb.SummarizeRecordsResponse.Group(key=group.key, count=group.count, sums=sums)
