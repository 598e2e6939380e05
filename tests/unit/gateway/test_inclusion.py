"""How what answers refer to is read: in batches, by collection, and what becomes of one that fails."""

from typing import Any

import grpc
import pytest
from crm.customer.v1 import accounts_pb2 as pb
from crm_gateway.channels import Reply
from crm_gateway.expansion import load_contract
from crm_gateway.transcode.inclusion import BESIDE, MAX_IDS, Reference, Source, batch_gets, read_all, references_of
from google.protobuf.message_factory import GetMessageClass
from hypothesis import given
from hypothesis import strategies as st

CONTRACT = load_contract()
BATCH_GETS = batch_gets(CONTRACT.rpcs)
REQUEST = GetMessageClass(BATCH_GETS["accounts"].request)
PAGE = GetMessageClass(BATCH_GETS["accounts"].response)


class Accounts:
    """A service with all accounts but those that nobody may see."""

    def __init__(self, *, hidden: frozenset[str] = frozenset(), failing: frozenset[str] = frozenset()) -> None:
        self.hidden, self.failing = hidden, failing
        self.asked: list[list[str]] = []

    async def __call__(self, request: Any, _metadata: Any, _seconds: float) -> Reply:
        self.asked.append(list(request.ids))
        if not self.failing.isdisjoint(request.ids):
            raise failure(grpc.StatusCode.UNAVAILABLE)
        page = PAGE(accounts=[pb.Account(id=id) for id in request.ids if id not in self.hidden])
        return Reply(page, page.ByteSize())

    def source(self) -> Source:
        return Source("accounts", REQUEST, self, lambda account: {"id": account.id})


async def found_by(source: Source, ids: list[str]) -> dict[str, Any] | None:
    found = await read_all(source, ids, {}, 1)
    return None if found is None else found.values()


def failure(code: grpc.StatusCode) -> grpc.aio.AioRpcError:
    return grpc.aio.AioRpcError(code, grpc.aio.Metadata(), grpc.aio.Metadata())


@pytest.mark.parametrize("count", [0, 1, MAX_IDS, MAX_IDS + 1, 3 * MAX_IDS])
async def test_ids_are_asked_for_once_as_many_as_the_service_takes(count: int) -> None:
    service, ids = Accounts(), [f"id-{number}" for number in range(count)]
    assert await found_by(service.source(), ids) == {id: {"id": id} for id in ids}
    assert [id for batch in service.asked for id in batch] == ids
    assert all(0 < len(batch) <= MAX_IDS for batch in service.asked)


async def test_a_collection_of_which_a_part_fails_is_missing_as_a_whole() -> None:
    ids = [f"id-{number}" for number in range(MAX_IDS + 5)]
    service = Accounts(failing=frozenset({ids[-1]}))
    assert await found_by(service.source(), ids) is None


@pytest.mark.parametrize(
    ("code", "found"),
    [
        (grpc.StatusCode.PERMISSION_DENIED, {}),
        (grpc.StatusCode.NOT_FOUND, {}),
        (grpc.StatusCode.UNAVAILABLE, None),
        (grpc.StatusCode.DEADLINE_EXCEEDED, None),
        (grpc.StatusCode.INTERNAL, None),
    ],
)
async def test_who_may_see_nothing_is_not_told_that_something_failed(
    code: grpc.StatusCode, found: dict[str, Any] | None
) -> None:
    async def refuse(_request: Any, _metadata: Any, _seconds: float) -> Reply:
        raise failure(code)

    assert await found_by(Source("accounts", REQUEST, refuse, dict), ["1"]) == found


@given(st.frozensets(st.sampled_from([f"id-{number}" for number in range(20)])))
async def test_what_the_service_does_not_show_is_not_there(hidden: frozenset[str]) -> None:
    ids = [f"id-{number}" for number in range(20)]
    found = await found_by(Accounts(hidden=hidden).source(), ids)
    assert found is not None
    assert found.keys() == set(ids) - hidden


def test_a_reference_is_a_single_id_into_a_collection_that_is_read_by_id() -> None:
    assert references_of(pb.Account.DESCRIPTOR, BATCH_GETS) == {
        "parent": Reference("parent_id", "accounts"),
        "owner": Reference("owner_id", "users"),
        "owner_team": Reference("owner_team_id", "teams"),
        "merged_into": Reference("merged_into_id", "accounts"),
        "actions": Reference("id", "actions", of="accounts"),
    }
    assert references_of(pb.Account.DESCRIPTOR, {"teams"}).keys() == {"owner_team"}


def test_no_answer_has_fields_of_its_own_where_the_included_stands() -> None:
    for rpc in CONTRACT.rpcs:
        assert BESIDE.isdisjoint(rpc.response.fields_by_name), rpc.name
