"""Custom fields on every resource that has a place for them: defined, written, changed, listed."""

from typing import Any

import pytest
from google.protobuf.message_factory import GetMessageClass

from tests.factories.places import RPCS, SERVICES, WITH_CUSTOM_FIELDS
from tests.service.examples import World


@pytest.fixture(scope="session")
def world(request: pytest.FixtureRequest) -> World:
    """All services that the contract names."""
    return World({name: request.getfixturevalue(name) for name in SERVICES})


def test_every_resource_with_custom_fields_is_tried_here() -> None:
    made = {name for name in RPCS if name.startswith("Create") and name.endswith("CustomField")}
    assert made == {f"Create{name}CustomField" for name in WITH_CUSTOM_FIELDS.values()}


@pytest.mark.parametrize("collection", WITH_CUSTOM_FIELDS)
async def test_a_value_is_written_changed_and_found(world: World, collection: str) -> None:
    user, name = await world.user(await world.tenant()), WITH_CUSTOM_FIELDS[collection]
    noun = name.lower()
    field: Any = await world.create(f"Create{name}CustomField", user)
    create: Any = await world.request(RPCS[f"Create{name}"], user)
    getattr(create, noun).custom[field.key].string_value = "A-1"
    made: Any = await world.call(RPCS[f"Create{name}"], create, user.metadata)
    assert made.custom[field.key].string_value == "A-1"
    update: Any = GetMessageClass(RPCS[f"Update{name}"].request)()
    getattr(update, noun).id = made.id
    getattr(update, noun).custom[field.key].string_value = "A-2"
    update.update_mask.paths.append(f"custom.{field.key}")
    changed: Any = await world.call(RPCS[f"Update{name}"], update, user.metadata)
    assert (changed.custom[field.key].string_value, changed.etag) != ("A-1", made.etag)
    lists = (rpc for rpc in RPCS.values() if rpc.bindings and rpc.bindings[0].template == f"/v1/{collection}")
    rpc = next(each for each in lists if each.name.startswith("List"))
    for filter, ids in ((f'custom.{field.key} = "A-2"', [made.id]), (f'custom.{field.key} = "A-1"', [])):
        request: Any = GetMessageClass(rpc.request)(filter=filter, order_by=f"custom.{field.key}")
        page: Any = await world.call(rpc, request, user.metadata)
        assert [each.id for each in getattr(page, collection)] == ids
