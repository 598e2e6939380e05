"""Fields that the platform sets: a create that asks for another value is refused, an answer is sent back as it came."""

from typing import Any

import pytest
from crm_gateway.contract import Rpc
from crm_gateway.protojson.fields import is_output_only

from tests.factories.messages import put
from tests.factories.places import RPCS, SERVICES
from tests.service.examples import World
from tests.service.running import Running
from tests.service.web import bearer, gateway


def resource_in(rpc: Rpc) -> str:
    """Where a request of a create has the record; "" where it is no create."""
    if rpc.is_read or rpc.permission == "internal" or "update_mask" in rpc.request.fields_by_name:
        return ""
    return next((each.name for each in rpc.request.fields if each.message_type is rpc.response), "")


def is_single(field: Any) -> bool:
    """Whether any value of its kind is one that the rules of the contract let through."""
    return not field.is_repeated and (field.message_type is None or field.message_type.name == "Timestamp")


CREATES = {rpc.name: rpc for rpc in RPCS.values() if resource_in(rpc)}


@pytest.fixture(scope="session")
def world(request: pytest.FixtureRequest) -> World:
    """All services that the contract names."""
    return World({name: request.getfixturevalue(name) for name in SERVICES})


def test_records_are_created_in_every_service_that_has_some() -> None:
    assert {"CreateAccount", "CreateLead", "RecordPayment", "CreateCase", "CreateImport"} <= CREATES.keys()


@pytest.mark.parametrize("name", sorted(CREATES))
async def test_a_create_refuses_by_name_what_the_platform_sets_otherwise(world: World, name: str) -> None:
    rpc, tenant = CREATES[name], await world.tenant()
    user, place = await world.user(tenant), resource_in(CREATES[name])
    request: Any = await world.request(rpc, user)
    record: Any = getattr(request, place)
    given = [each for each in record.DESCRIPTOR.fields if is_output_only(each) and is_single(each)]
    for each in given:
        put(record, each)
    answer = await world.answer(rpc, request, user.metadata)
    assert (answer.code, answer.reason) == ("INVALID_ARGUMENT", "INVALID_ARGUMENT")
    assert f"{place}.id" in answer.fields
    # What a new record happens to have is accepted; nothing else is named.
    assert set(answer.fields) <= {f"{place}.{each.name}" for each in given}
    assert len(answer.fields) >= len(given) / 2
    # Nothing was created, so the same names are free.
    for each in given:
        record.ClearField(each.name)
    await world.call(rpc, request, user.metadata)


async def test_people_are_told_over_rest_what_sets_it_in_their_language(sales: Running) -> None:
    user = await sales.user()
    lead = {"display_name": "王伟", "in_pool": True, "create_time": "2026-01-01T00:00:00Z", "account_name": None}
    async with gateway(sales) as client:
        answers = {
            language: (await client.post("/v1/leads", json=lead, headers=bearer(user) | {"accept-language": language}))
            for language in ("en", "zh")
        }
        listed = (await client.get("/v1/leads", headers=bearer(user))).json()
    assert {each.status_code for each in answers.values()} == {422}
    told = {
        language: {each["field"]: (each["rule"], each["detail"]) for each in answer.json()["errors"]}
        for language, answer in answers.items()
    }
    assert told["en"] == {
        "in_pool": ("output_only", "is set by :claim, :assign, :return; leave it out"),
        "create_time": ("output_only", "is set by the platform; leave it out"),
    }
    assert told["zh"]["create_time"][1] == "由系统设置，请勿填写"
    assert listed["leads"] == []


async def test_an_answer_without_what_is_its_own_makes_another_record_and_is_sent_back_as_it_came(
    sales: Running,
) -> None:
    user = await sales.user()
    async with gateway(sales) as client:
        client.headers.update(bearer(user))
        first = (await client.post("/v1/leads", json={"display_name": "王伟"})).json()
        own = {name for name in first if name.endswith("_time")} | {"id", "etag"}
        copy = {name: value for name, value in first.items() if name not in own}
        assert {"in_pool", "owner_id", "owner_name", "owner_team_id"} <= copy.keys()
        second = await client.post("/v1/leads", json=copy)
        assert second.status_code == 201, second.text
        sent_back = await client.patch(f"/v1/leads/{first['id']}", json=first | {"update_time": "2020-01-01T00:00:00Z"})
        assert (sent_back.status_code, sent_back.json()["etag"]) == (200, first["etag"])
