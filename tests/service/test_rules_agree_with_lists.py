"""A rule's filter takes a record as an event carries it where a list with the filter has the record."""

from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest
from crm_kit.automation.values import RecordValues
from crm_kit.filtering.evaluation import evaluate
from crm_kit.filtering.tree import LISTS, FieldType
from crm_kit.filtering.words import FilterContext
from crm_kit.listing import context_of
from crm_kit.money import Money
from google.protobuf.message_factory import GetMessageClass

from tests.factories.places import RPCS, SERVICES, WITH_AUTOMATION
from tests.service.automating import told_in
from tests.service.examples import World
from tests.service.running import Running


@pytest.fixture(scope="session")
def world(request: pytest.FixtureRequest) -> World:
    return World({name: request.getfixturevalue(name) for name in SERVICES})


def questions(path: str, type: FieldType, value: Any) -> Iterator[str]:
    """Filters that a record with this value in a field answers in one way or another."""
    yield from (f"{path} = null", f"{path}:*", f"NOT {path} != null")
    if type in LISTS:
        yield from (f'{path}:"{each}"' for each in value or ())
    elif value is not None:
        literal = literal_of(type, value)
        yield from (f"{path} = {literal}", f"{path} != {literal}")


def literal_of(type: FieldType, value: Any) -> str:
    """The value as a filter writes it."""
    if isinstance(value, Money):
        return str(value.amount)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if type in (FieldType.TEXT, FieldType.UUID) else str(value)


@pytest.mark.parametrize("collection", WITH_AUTOMATION)
async def test_a_rule_takes_what_a_list_has(collection: str, world: World) -> None:
    noun = WITH_AUTOMATION[collection]
    get = RPCS[f"Get{noun}"]
    service: Running = world.services[get.owner]
    user = await world.user(await world.tenant())
    id = await world.example(collection, user)
    resource = service.service.watched[collection].resource
    (told,) = [each for each in await told_in(service, user.tenant_id) if each.aggregate_id == id][:1]
    event: Any = service.service.watched[collection].events["CREATED"].FromString(told.payload.value)
    values = RecordValues(resource, getattr(event, resource.place))
    rpc = next(
        each
        for name, each in RPCS.items()
        if name.startswith("List") and each.bindings[0].template == f"/v1/{collection}"
    )
    async with service.unit_of_work(user.tenant_id) as work:
        now: FilterContext = context_of(work)
    asked = 0
    for path, field in resource.filter_schema.fields.items():
        head, *rest = path.split(".")
        if head not in values or path in resource.nested:
            continue
        value = values[head]
        for part in rest:
            value = getattr(value, part, None)
        for text in questions(path, field.type, value):
            request: Any = GetMessageClass(rpc.request)(filter=text)
            page: Any = await world.call(rpc, request, user.metadata)
            has = id in [each.id for each in getattr(page, collection)]
            tree, _ = await resource.listing.read(work, text)
            assert evaluate(tree, values, now) == has, text
            asked += 1
    assert asked > 30
