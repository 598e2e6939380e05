"""Pairs of accounts that a scan finds: each once, decided once, and seen by who sees both accounts whole."""

import asyncio
import time
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from crm.customer.v1 import accounts_pb2, duplicate_pairs_pb2, duplicates_pb2
from crm.customer.v1.accounts_pb2_grpc import AccountServiceStub
from crm.customer.v1.duplicate_pairs_pb2_grpc import DuplicatePairServiceStub
from crm.resource.v1 import jobs_pb2
from crm_customer.records.duplicate_pairs import scanning
from crm_customer.records.duplicate_pairs.scanning import Scanning
from crm_kit.background import Tenants
from crm_kit.clock import TenantClock
from crm_kit.errors import Conflict
from crm_kit.identity.access import Scope
from crm_kit.jobs.model import Job, State
from crm_kit.jobs.resource import JOBS
from crm_kit.jobs.worker import OvertakenError
from google.protobuf.field_mask_pb2 import FieldMask

from tests.service.bulk_changing import Jobs, held_up
from tests.service.customer.customers import new_account, renamed
from tests.service.restricting import EVERYBODY
from tests.service.running import ADMIN, Running, User, refused

if TYPE_CHECKING:
    from crm.customer.v1.accounts_pb2_grpc import AccountServiceAsyncStub
    from crm.customer.v1.duplicate_pairs_pb2_grpc import DuplicatePairServiceAsyncStub

Pair = duplicate_pairs_pb2.DuplicatePair
NAME, WRITTEN_OTHERWISE = "深圳市华信电力设备有限公司", "華信電力設備（深圳）股份有限公司"


@pytest.fixture
async def user(customer: Running) -> User:
    return await customer.user()


@pytest.fixture
def pairs(customer: Running) -> "DuplicatePairServiceAsyncStub":
    return DuplicatePairServiceStub(customer.channel)


@pytest.fixture
def accounts(customer: Running) -> "AccountServiceAsyncStub":
    return AccountServiceStub(customer.channel)


async def scanned(customer: Running, by: User) -> jobs_pb2.Job:
    """A scan that has ended."""
    return await Jobs(customer).ended(by, await begun(customer, by))


async def listed(pairs: "DuplicatePairServiceAsyncStub", by: User, filter: str = "") -> list[Pair]:
    request = duplicate_pairs_pb2.ListDuplicatePairsRequest(filter=filter)
    return list((await pairs.ListDuplicatePairs(request, metadata=by.metadata)).duplicate_pairs)


async def dismiss(pairs: "DuplicatePairServiceAsyncStub", by: User, pair: Pair, **more: Any) -> Pair:
    request = duplicate_pairs_pb2.DismissDuplicatePairRequest(id=pair.id, reason="the plant in Suzhou", **more)
    return await pairs.DismissDuplicatePair(request, metadata=by.metadata)


async def test_a_scan_finds_each_pair_once_and_what_was_decided_holds_until_an_account_changes(
    customer: Running,
    user: User,
    pairs: "DuplicatePairServiceAsyncStub",
    accounts: "AccountServiceAsyncStub",
) -> None:
    one, other = [await new_account(customer, user, display_name=name) for name in (NAME, WRITTEN_OTHERWISE)]
    for number in range(3):
        await new_account(customer, user, display_name=f"天泰{number}号化工厂")
    job = await scanned(customer, user)
    assert (job.state, job.kind) == (jobs_pb2.Job.STATE_SUCCEEDED, jobs_pb2.Job.KIND_DUPLICATE_SCAN)
    assert (job.total_count, job.done_count) == (5, 5)
    (pair,) = await listed(pairs, user)
    assert (pair.account_id, pair.other_account_id) == (one.id, other.id)
    assert (pair.account_name, pair.state, list(pair.owner_ids)) == (NAME, Pair.STATE_OPEN, [str(user.id)] * 2)
    assert pair.evidence[0].reason == duplicates_pb2.DuplicateEvidence.REASON_SAME_NAME_OTHER_FORM
    assert pair.score == sum(each.points for each in pair.evidence)
    await scanned(customer, user)
    assert await listed(pairs, user) == [pair]

    with refused("ABORTED", "ETAG_MISMATCH"):
        await dismiss(pairs, user, pair, etag="v9")
    dismissed = await dismiss(pairs, user, pair)
    assert (dismissed.state, dismissed.dismisser_id) == (Pair.STATE_DISMISSED, str(user.id))
    with refused("FAILED_PRECONDITION", "ILLEGAL_STATE"):
        await dismiss(pairs, user, pair)
    await scanned(customer, user)
    assert await listed(pairs, user, "state = DISMISSED") == [dismissed]

    await renamed(accounts, user, other.id, "深圳华信电力设备有限责任公司")
    await scanned(customer, user)
    (again,) = await listed(pairs, user)
    assert (again.id, again.state, again.dismiss_reason) == (pair.id, Pair.STATE_OPEN, "")
    await renamed(accounts, user, other.id, "天泰化工有限公司")
    await scanned(customer, user)
    assert await listed(pairs, user) == []
    assert [each.state for each in await listed(pairs, user, "state = OUTDATED")] == [Pair.STATE_OUTDATED]
    await renamed(accounts, user, other.id, WRITTEN_OTHERWISE)
    await scanned(customer, user)
    assert [each.state for each in await listed(pairs, user)] == [Pair.STATE_OPEN]
    await accounts.ArchiveAccount(accounts_pb2.ArchiveAccountRequest(id=one.id), metadata=user.metadata)
    assert await listed(pairs, user) == []


async def test_what_was_decided_holds_when_another_number_becomes_the_main_one(
    customer: Running,
    user: User,
    pairs: "DuplicatePairServiceAsyncStub",
    accounts: "AccountServiceAsyncStub",
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # A pair of several keys comes up in several parts of one step.
    monkeypatch.setattr(scanning, "AT_ONCE", 1)
    numbers = ["+8675586661234", "+8675586669999"]
    one, _ = [await new_account(customer, user, display_name=NAME, phone_numbers=numbers) for _ in range(2)]
    await scanned(customer, user)
    (pair,) = await listed(pairs, user)
    dismissed = await dismiss(pairs, user, pair)
    request = accounts_pb2.UpdateAccountRequest(
        account=accounts_pb2.Account(id=one.id, phone_numbers=reversed(numbers)),
        update_mask=FieldMask(paths=["phone_numbers"]),
    )
    assert (await accounts.UpdateAccount(request, metadata=user.metadata)).phone_numbers == numbers[::-1]
    await scanned(customer, user)
    assert await listed(pairs, user) == [dismissed]


async def test_only_who_sees_both_accounts_and_all_their_fields_sees_a_pair(
    customer: Running,
    user: User,
    pairs: "DuplicatePairServiceAsyncStub",
    accounts: "AccountServiceAsyncStub",
) -> None:
    seller = await customer.user(user.tenant_id, grants=dict.fromkeys(ADMIN, Scope.OWN))
    outsider = await customer.user(user.tenant_id, grants=EVERYBODY)
    clerk = await customer.user(user.tenant_id, hidden_fields=["accounts.preferences"])
    theirs = [await new_account(customer, seller, display_name=NAME) for _ in range(2)]
    mine = await new_account(customer, user, display_name=NAME)
    await scanned(customer, user)
    assert len(await listed(pairs, user)) == len(await listed(pairs, outsider)) == 3
    (own,) = await listed(pairs, seller)
    assert {own.account_id, own.other_account_id} == {each.id for each in theirs}
    assert await listed(pairs, clerk) == []
    with refused("NOT_FOUND", "DUPLICATE_PAIR_NOT_FOUND"):
        await pairs.GetDuplicatePair(duplicate_pairs_pb2.GetDuplicatePairRequest(id=own.id), metadata=clerk.metadata)
    assert len(await listed(pairs, user, "owner_ids:me")) == 2
    assert len(await listed(pairs, user, f"owner_ids:{seller.id} AND score >= 70 AND state = OPEN")) == 3
    request = accounts_pb2.RestrictAccountRequest(id=mine.id, reason="price negotiation")
    await accounts.RestrictAccount(request, metadata=user.metadata)
    assert [each.id for each in await listed(pairs, outsider)] == [own.id]
    assert len(await listed(pairs, user)) == 3
    with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
        await pairs.ScanDuplicates(duplicate_pairs_pb2.ScanDuplicatesRequest(), metadata=seller.metadata)


async def begun(customer: Running, by: User) -> jobs_pb2.Job:
    stub: Any = DuplicatePairServiceStub(customer.channel)
    job: jobs_pb2.Job = await stub.ScanDuplicates(duplicate_pairs_pb2.ScanDuplicatesRequest(), metadata=by.metadata)
    return job


async def test_a_scan_that_two_carry_on_at_once_finds_each_pair_once(
    customer: Running, user: User, pairs: "DuplicatePairServiceAsyncStub", monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(6):
        await new_account(customer, user, display_name=NAME)
    # A step for each few rows of the index, and a turn for each step.
    monkeypatch.setattr(scanning, "ROWS", 3)
    monkeypatch.setattr(scanning, "PAIRS", 2)
    workers = [Scanning(Tenants(customer.service.database, TenantClock(customer.service.database))) for _ in range(2)]
    async with held_up(customer, user.tenant_id):
        job = await begun(customer, user)
        now = await known(customer, user, job)
        while now.is_under_way:
            turns = (each.take_turn(user.tenant_id, now, time.monotonic()) for each in workers)
            outcomes = await asyncio.gather(*turns, return_exceptions=True)
            # Whoever is overtaken has written nothing.
            failed = [each for each in outcomes if isinstance(each, Exception)]
            assert all(isinstance(each, (Conflict, OvertakenError)) for each in failed), failed
            now = await known(customer, user, job)
    assert (now.state, now.done_count) == (State.SUCCEEDED, 6)
    found = await listed(pairs, user)
    assert len({(each.account_id, each.other_account_id) for each in found}) == len(found) == 15


async def known(customer: Running, user: User, job: jobs_pb2.Job) -> Job:
    async with customer.unit_of_work(user.tenant_id) as work:
        return await JOBS.get(work, UUID(job.id))


async def test_one_scan_is_under_way_at_a_time_and_can_be_stopped(customer: Running, user: User) -> None:
    async with held_up(customer, user.tenant_id):
        job = await begun(customer, user)
        with refused("FAILED_PRECONDITION", "ILLEGAL_STATE"):
            await begun(customer, user)
        assert (await Jobs(customer).cancel(user, job)).state == jobs_pb2.Job.STATE_CANCELLED
        with refused("FAILED_PRECONDITION", "ILLEGAL_STATE"):
            await Jobs(customer).cancel(user, job)
        assert await Jobs(customer).results(user, job) == []
    assert (await scanned(customer, user)).state == jobs_pb2.Job.STATE_SUCCEEDED
