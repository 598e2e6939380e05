"""Streams of events of sales: fields that are hidden from a reader, and a service that does not answer."""

import asyncio
from collections.abc import AsyncIterator
from unittest.mock import AsyncMock, patch

import grpc
import pytest
from crm.resource.v1 import resources_pb2
from crm.resource.v1.resources_pb2_grpc import ResourceServiceStub
from crm.sales.v1 import leads_pb2 as pb
from crm_kit.identity.access import Scope
from crm_local.testing import Servers
from google.protobuf.field_mask_pb2 import FieldMask

from tests.service.customer.companies import Company, open_company
from tests.service.customer.customers import new_account
from tests.service.eventually import eventually
from tests.service.running import Running, User
from tests.service.sales.conftest import CreateLead
from tests.service.sales.selling import Sales
from tests.service.streaming import Listening, listening, reading

PHONE, EMAIL = "+8613800138000", "wei@customer.test"


@pytest.fixture
async def gateway(servers: Servers, customer: Running, sales: Running) -> AsyncIterator[Listening]:
    async with listening(servers, customer, sales, stream_heartbeat=0.05) as started:
        yield started


@pytest.fixture
async def company(customer: Running) -> Company:
    return await open_company(customer)


async def known(sales: Running, user: User) -> User:
    """Wait until sales knows what somebody may do."""
    nothing = resources_pb2.CountRecordsRequest(collection="leads")

    async def is_known() -> bool:
        try:
            await ResourceServiceStub(sales.channel).CountRecords(nothing, metadata=user.metadata)
        except grpc.aio.AioRpcError:
            return False
        return True

    await eventually(is_known)
    return user


@pytest.fixture
async def boss(sales: Running, company: Company) -> User:
    return await known(sales, company.admin)


@pytest.fixture
async def rep(sales: Running, company: Company) -> User:
    role = await company.role(leads_read=Scope.TEAM, leads_write=Scope.TEAM)
    return await known(sales, company.acting(await company.user(role)))


async def test_a_stream_does_not_say_that_hidden_fields_were_changed(
    gateway: Listening, api: Sales, sales: Running, boss: User, rep: User, create: CreateLead
) -> None:
    lead = await create(by=boss, to_pool=True, phone_number=PHONE, email=EMAIL)
    check = resources_pb2.BatchCheckRecordsRequest(collection="leads", ids=[lead.id])
    hidden = {
        by.id: list((await ResourceServiceStub(sales.channel).BatchCheckRecords(check, metadata=by.metadata)).readable)
        for by in (boss, rep)
    }
    assert [list(each.hidden_fields) for each in hidden[boss.id]] == [[]]
    assert [list(each.hidden_fields) for each in hidden[rep.id]] == [["email", "phone_number"]]
    chosen = "lead.updated,lead.claimed"
    async with reading(gateway, boss, types=chosen) as all_of_it, reading(gateway, rep, types=chosen) as masked:
        for each in (all_of_it, masked):
            await each.until("ready")
        changed = pb.Lead(id=lead.id, phone_number="+8613900139000", company_name="Another")
        request = pb.UpdateLeadRequest(lead=changed, update_mask=FieldMask(paths=["phone_number", "company_name"]))
        await api.leads.UpdateLead(request, metadata=boss.metadata)
        (told,), (less,) = await all_of_it.told(1), await masked.told(1)
        assert {*told.data["changed_fields"]} == {"phone_number", "company_name"}
        assert less.data == told.data | {"changed_fields": ["company_name"]}
        # Who has claimed the lead sees all of it.
        await api.leads.ClaimLead(pb.ClaimLeadRequest(id=lead.id), metadata=rep.metadata)
        changed = pb.Lead(id=lead.id, phone_number=PHONE)
        request = pb.UpdateLeadRequest(lead=changed, update_mask=FieldMask(paths=["phone_number"]))
        await api.leads.UpdateLead(request, metadata=rep.metadata)
        claimed, own = await masked.told(2)
        assert (claimed.name, own.data["changed_fields"]) == ("lead.claimed", ["phone_number"])


async def test_a_service_that_does_not_answer_is_waited_for_and_nothing_is_lost(
    gateway: Listening, boss: User, customer: Running, create: CreateLead
) -> None:
    gone = grpc.aio.AioRpcError(grpc.StatusCode.UNAVAILABLE, grpc.aio.Metadata(), grpc.aio.Metadata())
    async with (
        reading(gateway, boss, collections="leads,accounts") as stream,
        reading(gateway, boss, collections="accounts") as other,
    ):
        for each in (stream, other):
            await each.until("ready")
        with patch.object(gateway.gateway.channels["sales"], "call", AsyncMock(side_effect=gone)) as asked:
            lead = await create(by=boss)

            async def is_asked_for() -> bool:
                return asked.call_count > 1

            await eventually(is_asked_for)
            account = await new_account(customer, boss)
            # Of another collection, and alive all the while.
            assert [each.data["record_id"] for each in await other.told(1)] == [account.id]
            coming = asyncio.create_task(stream.told(2))

            async def lives() -> bool:
                return stream.comments > 1

            await eventually(lives)
            assert not coming.done()
        assert [each.data["record_id"] for each in await coming] == [lead.id, account.id]
