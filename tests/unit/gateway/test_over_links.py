"""The gateway in front of a service that has links: requests go over them, and mean what they mean without."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator

import httpx
import pytest
from crm.customer.v1 import accounts_pb2 as pb
from crm_gateway.expansion import load_contract
from crm_kit.errors import EtagMismatch
from crm_kit.rpc.calls import Call, Reply
from crm_kit.rpc.pipeline import REPLAYED, refusal

from tests.unit.gateway.account_service import ID, gateway
from tests.unit.kit.replicas import Gate, Replica, Service, replica

URL = f"/v1/accounts/{ID}"
ACCOUNT = pb.Account(id=ID, display_name="华信电力有限公司", etag="7")


async def account(call: Call) -> Reply:
    return Reply(ACCOUNT.SerializeToString())


@pytest.fixture
async def service() -> Service:
    service = Service()
    service.answer = account
    return service


@pytest.fixture
async def one(service: Service) -> AsyncIterator[Replica]:
    async with replica(service) as one:
        yield one


@pytest.fixture
async def client(one: Replica) -> AsyncIterator[httpx.AsyncClient]:
    async with gateway(customer_address=one.address) as client:
        yield client


async def test_a_request_goes_over_a_link_with_token_id_key_and_deadline(
    client: httpx.AsyncClient, one: Replica, service: Service
) -> None:
    headers = {"x-request-id": "r-1", "idempotency-key": "k-1", "x-request-timeout": "5"}
    answer = await client.post(f"{URL}:archive", headers=headers)
    assert (answer.status_code, answer.json()["display_name"]) == (200, "华信电力有限公司")
    (call,) = service.calls
    assert pb.ArchiveAccountRequest.FromString(call.data) == pb.ArchiveAccountRequest(id=ID)
    own = {"x-request-id": "r-1", "idempotency-key": "k-1", "x-client-address": "127.0.0.1"}
    assert call.metadata == {"authorization": "Bearer t", **own}
    assert call.seconds is not None
    assert call.seconds <= 5
    assert one.counts == Counter(link=1)


async def test_a_replayed_answer_says_so(client: httpx.AsyncClient, service: Service) -> None:
    async def replayed(call: Call) -> Reply:
        return Reply(ACCOUNT.SerializeToString(), metadata=REPLAYED)

    assert "idempotent-replayed" not in (await client.post(f"{URL}:archive")).headers
    service.answer = replayed
    assert (await client.post(f"{URL}:archive")).headers["idempotent-replayed"] == "true"


async def test_a_refusal_becomes_the_problem_that_it_is(client: httpx.AsyncClient, service: Service) -> None:
    async def refuse(call: Call) -> Reply:
        return refusal(EtagMismatch("The account has changed."), "r-1")

    service.answer = refuse
    answer = await client.post(f"{URL}:archive")
    assert (answer.status_code, answer.json()["reason"]) == (412, "ETAG_MISMATCH")
    assert answer.json()["detail"] == "The account has changed."


async def test_a_deadline_that_passes_is_504(client: httpx.AsyncClient, service: Service) -> None:
    service.answer = Gate()
    answer = await client.get(URL, headers={"x-request-timeout": "0.2"})
    assert (answer.status_code, answer.json()["reason"]) == (504, "DEADLINE_EXCEEDED")
    await service.until(lambda: service.cancelled == 1)


async def test_a_request_that_is_cancelled_stops_its_handler(client: httpx.AsyncClient, service: Service) -> None:
    service.answer = Gate()
    request = asyncio.create_task(client.get(URL))
    await service.until(lambda: service.running == 1)
    request.cancel()
    await service.until(lambda: service.cancelled == 1)
    assert request.cancelled()


async def test_a_service_that_dies_is_503_at_once(client: httpx.AsyncClient, one: Replica, service: Service) -> None:
    service.answer = Gate()
    request = asyncio.create_task(client.post(f"{URL}:archive"))
    await service.until(lambda: service.running == 1)
    await one.stop(0)
    answer = await asyncio.wait_for(request, 5)
    assert (answer.status_code, answer.json()["reason"]) == (503, "UNAVAILABLE")


async def test_readiness_is_that_of_the_service(client: httpx.AsyncClient, one: Replica) -> None:
    async def state() -> str:
        services: dict[str, str] = (await client.get("/health/services")).json()["services"]
        return services["customer"]

    assert await state() == "SERVING"
    await one.set_ready(ready=False)
    assert await state() == "NOT_SERVING"
    await one.stop(0)
    assert await state() == "UNREACHABLE"


def test_the_link_itself_has_no_route() -> None:
    contract = load_contract()
    assert any(file.package == "crm.link.v1" for file in contract.files)
    assert not any(rpc.service.startswith("crm.link.") for rpc in contract.rpcs)
