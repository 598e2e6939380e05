"""Bulk changes by filter: which records, with whose rights, what is told of each, and how one is stopped."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from uuid import UUID

import httpx
import pytest
from crm.customer.v1 import accounts_pb2, notifications_pb2
from crm.customer.v1.accounts_pb2_grpc import AccountServiceStub
from crm.customer.v1.notifications_pb2_grpc import NotificationServiceStub
from crm.resource.v1 import jobs_pb2 as pb
from crm_customer.records.accounts.resource import ACCOUNTS
from crm_kit.identity.access import Scope
from crm_kit.ids import new_id
from crm_kit.jobs import model

from tests.service.bulk_changing import CANCELLED, FAILED, QUEUED, SUCCEEDED, Jobs, held_up, worker
from tests.service.customer.customers import new_account
from tests.service.eventually import eventually
from tests.service.notices import raised, told
from tests.service.running import Running, User, refused
from tests.service.web import bearer, gateway

if TYPE_CHECKING:
    from crm.customer.v1.accounts_pb2_grpc import AccountServiceAsyncStub

Outcome = pb.JobResult.Outcome
STEEL = 'industry = "steel"'


@pytest.fixture
async def user(customer: Running) -> User:
    return await customer.user(name="王芳")


@pytest.fixture
def jobs(customer: Running) -> Jobs:
    return Jobs(customer)


@pytest.fixture
async def web(customer: Running) -> AsyncIterator[httpx.AsyncClient]:
    async with gateway(customer) as client:
        yield client


async def steel_works(customer: Running, by: User, count: int, **fields: Any) -> list[accounts_pb2.Account]:
    return [await new_account(customer, by, industry="steel", **fields) for _ in range(count)]


async def industries(customer: Running, by: User) -> list[str]:
    """Of all the tenant's accounts, oldest first."""
    request = accounts_pb2.ListAccountsRequest(page_size=200, order_by="id")
    page = await accounts_stub(customer).ListAccounts(request, metadata=by.metadata)
    return [each.industry for each in page.accounts]


def accounts_stub(customer: Running) -> "AccountServiceAsyncStub":
    return AccountServiceStub(customer.channel)


async def test_a_bulk_change_is_begun_watched_and_accounted_for_over_rest(
    web: httpx.AsyncClient, customer: Running, jobs: Jobs, user: User
) -> None:
    works = await steel_works(customer, user, 3)
    await new_account(customer, user, industry="power")
    me = bearer(user)
    asked = {"filter": STEEL, "expected_count": 3, "verb": "update", "request": {"industry": "power", "tags": ["vip"]}}
    begun = await web.post("/v1/accounts:bulkChange", json=asked, headers=me)
    assert begun.status_code == 200, begun.text
    job = begun.json()
    assert (job["kind"], job["collection"], job["total_count"]) == ("BULK_CHANGE", "accounts", 3)
    assert (job["owner_id"], job["owner_name"]) == (str(user.id), "王芳")
    await jobs.ended(user, pb.Job(id=job["id"]))
    ended = (await web.get(f"/v1/jobs/accounts/{job['id']}", headers=me)).json()
    counters = [ended[f"{name}_count"] for name in ("total", "done", "changed", "unchanged", "failed", "skipped")]
    assert (ended["state"], counters) == ("SUCCEEDED", [3, 3, 3, 0, 0, 0])
    assert ended["start_time"]
    assert ended["finish_time"]
    assert ended["request"] == asked["request"]
    page = (await web.get(f"/v1/jobs/accounts/{job['id']}/results", headers=me)).json()
    assert [each["record_id"] for each in page["results"]] == [each.id for each in works]
    assert {(each["outcome"], each["record_etag"]) for each in page["results"]} == {("CHANGED", "v2")}
    listed = await web.get("/v1/jobs/accounts", params={"filter": "owner_id = me AND state = SUCCEEDED"}, headers=me)
    assert [each["id"] for each in listed.json()["jobs"]] == [job["id"]]
    assert set(await industries(customer, user)) == {"power"}


async def test_another_number_of_records_than_was_expected_begins_nothing_and_says_how_many_there_are(
    customer: Running, jobs: Jobs, user: User
) -> None:
    await steel_works(customer, user, 2)
    for expected in (1, 3):
        with refused("FAILED_PRECONDITION", "JOB_COUNT_MISMATCH") as refusal:
            await jobs.begin(user, STEEL, expected, industry="power")
        assert refusal.metadata == {"count": "2", "expected_count": str(expected)}
    assert await jobs.listed(user) == []
    assert await industries(customer, user) == ["steel", "steel"]


async def test_more_records_than_a_job_may_change_are_refused(
    customer: Running, jobs: Jobs, user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    await steel_works(customer, user, 3)
    monkeypatch.setattr("crm_kit.jobs.model.MAX_RECORDS", 2)
    monkeypatch.setattr("crm_kit.jobs.commands.MAX_RECORDS", 2)
    with refused("FAILED_PRECONDITION", "JOB_TOO_MANY_RECORDS") as refusal:
        await jobs.begin(user, STEEL, 3, industry="power")
    assert refusal.metadata == {"most": "2"}


async def test_records_that_a_change_takes_out_of_the_filter_are_not_skipped_and_new_ones_are_left_alone(
    customer: Running, jobs: Jobs, user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crm_kit.jobs.worker.BATCH", 2)
    await steel_works(customer, user, 5)
    async with held_up(customer, user.tenant_id):
        job = await jobs.begin(user, STEEL, 5, industry="power")
        await steel_works(customer, user, 1)
    ended = await jobs.ended(user, job)
    assert (ended.state, ended.changed_count) == (SUCCEEDED, 5)
    assert await industries(customer, user) == ["power"] * 5 + ["steel"]


async def test_a_record_that_is_so_already_is_told_apart_and_gets_no_version(
    customer: Running, jobs: Jobs, user: User
) -> None:
    first, second = await steel_works(customer, user, 2)
    job = await jobs.ended(user, await jobs.begin(user, "", 2, industry="steel"))
    assert (job.changed_count, job.unchanged_count) == (0, 2)
    assert {each.outcome for each in await jobs.results(user, job)} == {Outcome.OUTCOME_UNCHANGED}
    now = await accounts_stub(customer).GetAccount(accounts_pb2.GetAccountRequest(id=first.id), metadata=user.metadata)
    assert now.etag == first.etag == second.etag


async def test_what_a_record_is_refused_for_is_listed_as_a_single_caller_would_have_been_told(
    customer: Running, jobs: Jobs, user: User
) -> None:
    open_one, archived = await steel_works(customer, user, 2)
    stub = accounts_stub(customer)
    await stub.ArchiveAccount(accounts_pb2.ArchiveAccountRequest(id=archived.id), metadata=user.metadata)
    job = await jobs.begin(user, f"{STEEL} AND status != MERGED", 2, "archive")
    ended = await jobs.ended(user, job)
    assert (ended.state, ended.changed_count, ended.failed_count) == (SUCCEEDED, 1, 1)
    with refused("FAILED_PRECONDITION", "ILLEGAL_STATE") as alone:
        await stub.ArchiveAccount(accounts_pb2.ArchiveAccountRequest(id=archived.id), metadata=user.metadata)
    (problem,) = await jobs.results(user, ended, "outcome = FAILED")
    assert (problem.record_id, problem.reason, problem.detail) == (archived.id, "ILLEGAL_STATE", alone.detail)
    (done,) = await jobs.results(user, ended, f'record_id = "{open_one.id}"')
    assert done.outcome == Outcome.OUTCOME_CHANGED


async def test_a_trial_tells_the_count_and_the_first_problems_and_changes_nothing(
    customer: Running, jobs: Jobs, user: User
) -> None:
    open_one, archived = await steel_works(customer, user, 2)
    stub = accounts_stub(customer)
    await stub.ArchiveAccount(accounts_pb2.ArchiveAccountRequest(id=archived.id), metadata=user.metadata)
    trial = await jobs.tried(user, f"{STEEL} AND status != MERGED", "archive")
    assert (trial.count, trial.tried_count) == (2, 2)
    (problem,) = trial.problems
    assert (problem.position, problem.record_id, problem.reason) == (2, archived.id, "ILLEGAL_STATE")
    now = await stub.GetAccount(accounts_pb2.GetAccountRequest(id=open_one.id), metadata=user.metadata)
    assert now == open_one
    assert await jobs.listed(user) == []


@pytest.mark.parametrize(
    ("verb", "request_", "field"),
    [
        ("merge", {}, "verb"),
        ("update", {}, "request"),
        ("update", {"colour": "red"}, "request.colour"),
        ("update", {"status": "ARCHIVED"}, "request.status"),
        ("update", {"employee_count": "many"}, "request.employee_count"),
        ("update", {"custom": {"nothing": 1}}, "request.custom.nothing"),
        ("update", {"display_name": "x" * 300}, "request.display_name"),
        ("update", {"parent_id": str(new_id())}, "request.parent_id"),
        ("archive", {"reason": "old"}, "request.reason"),
    ],
)
async def test_what_no_record_can_be_asked_is_refused_at_once_by_its_field(
    customer: Running, jobs: Jobs, user: User, verb: str, request_: dict[str, Any], field: str
) -> None:
    await steel_works(customer, user, 1)
    for call in (jobs.begin(user, STEEL, 1, verb, **request_), jobs.tried(user, STEEL, verb, **request_)):
        with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
            await call
        assert refusal.fields == [field]


async def test_a_filter_with_quotes_in_it_takes_what_it_says_and_no_more(
    customer: Running, jobs: Jobs, user: User
) -> None:
    quoted = await new_account(customer, user, display_name='O\'Brien "West" Ltd')
    other = await new_account(customer, user, display_name="OBrien West Ltd")
    filter = 'display_name = "O\'Brien \\"West\\" Ltd"'
    ended = await jobs.ended(user, await jobs.begin(user, filter, 1, "archive"))
    assert [each.record_id for each in await jobs.results(user, ended)] == [quoted.id]
    request = accounts_pb2.GetAccountRequest(id=other.id)
    assert await accounts_stub(customer).GetAccount(request, metadata=user.metadata) == other


async def test_records_that_have_left_the_filter_are_not_changed_by_the_next_job(
    customer: Running, jobs: Jobs, user: User
) -> None:
    await steel_works(customer, user, 2)
    await jobs.ended(user, await jobs.begin(user, STEEL, 2, industry="power"))
    with refused("FAILED_PRECONDITION", "JOB_COUNT_MISMATCH") as refusal:
        await jobs.begin(user, STEEL, 2, industry="rail")
    assert refusal.metadata["count"] == "0"
    assert await industries(customer, user) == ["power", "power"]


async def test_more_records_than_a_page_has_are_all_changed(customer: Running, jobs: Jobs, user: User) -> None:
    async with customer.unit_of_work(user.tenant_id) as work:
        one = await new_account(customer, user, industry="steel")
        row = await ACCOUNTS.get(work, UUID(one.id))
        for _ in range(249):
            ACCOUNTS.create(work, replace(row, id=new_id(), version=1))
        await work.flush_many()
    ended = await jobs.ended(user, await jobs.begin(user, STEEL, 250, industry="power"))
    assert (ended.state, ended.changed_count) == (SUCCEEDED, 250)


async def test_a_filter_that_is_none_is_refused(jobs: Jobs, user: User) -> None:
    with refused("INVALID_ARGUMENT", "INVALID_FILTER"):
        await jobs.begin(user, "colour = red", 1, industry="power")


async def test_a_request_that_is_sent_twice_begins_one_job(customer: Running, jobs: Jobs, user: User) -> None:
    await steel_works(customer, user, 1)
    first = await jobs.begin(user, "", 1, industry="power", key="once")
    assert (await jobs.begin(user, "", 1, industry="power", key="once")).id == first.id
    assert len(await jobs.listed(user)) == 1


async def test_who_may_read_but_not_change_begins_no_job(customer: Running, jobs: Jobs, user: User) -> None:
    reader = await customer.user(user.tenant_id, grants={"accounts.read": Scope.ALL})
    await steel_works(customer, user, 1)
    for call in (jobs.begin(reader, "", 1, industry="power"), jobs.tried(reader, "", industry="power")):
        with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
            await call


async def test_records_that_somebody_may_read_but_not_change_fail_and_the_others_are_changed(
    customer: Running, jobs: Jobs, user: User
) -> None:
    seller = await customer.user(user.tenant_id, grants={"accounts.read": Scope.ALL, "accounts.write": Scope.OWN})
    await steel_works(customer, user, 1)
    own = await new_account(customer, seller, industry="steel")
    ended = await jobs.ended(seller, await jobs.begin(seller, STEEL, 2, industry="power"))
    assert (ended.changed_count, ended.failed_count) == (1, 1)
    failed, changed = await jobs.results(seller, ended)
    assert (failed.reason, changed.record_id) == ("ACCOUNT_NOT_FOUND", own.id)


async def test_people_see_their_own_jobs_and_who_reads_all_records_sees_all(
    customer: Running, jobs: Jobs, user: User
) -> None:
    grants = {"accounts.read": Scope.OWN, "accounts.write": Scope.OWN}
    seller, other = [await customer.user(user.tenant_id, grants=grants) for _ in range(2)]
    stranger = await customer.user()
    await new_account(customer, seller, industry="steel")
    job = await jobs.ended(seller, await jobs.begin(seller, "", 1, industry="power"))
    assert [each.id for each in await jobs.listed(user)] == [each.id for each in await jobs.listed(seller)] == [job.id]
    for by in (other, stranger):
        assert await jobs.listed(by) == []
        with refused("NOT_FOUND", "JOB_NOT_FOUND"):
            await jobs.get(by, job)
        with refused("NOT_FOUND", "JOB_NOT_FOUND"):
            await jobs.results(by, job)
        with refused("NOT_FOUND", "JOB_NOT_FOUND"):
            await jobs.cancel(by, job)
    with refused("NOT_FOUND", "JOB_NOT_FOUND"):
        await Jobs(customer, "contacts").get(user, job)


async def test_jobs_of_others_do_not_tell_what_is_hidden_from_who_reads_them(
    customer: Running, jobs: Jobs, user: User
) -> None:
    hidden = ["accounts.industry", "accounts.website", "accounts.custom.rating"]
    writes = {"accounts.read": Scope.ALL, "accounts.write": Scope.ALL}
    reader = await customer.user(user.tenant_id, grants=writes, hidden_fields=hidden)
    await new_account(customer, user, industry="steel")
    both = await jobs.ended(user, await jobs.begin(user, "", 1, website="https://huaxin.example", tags=["vip"]))
    chosen = await jobs.ended(user, await jobs.begin(user, STEEL, 1, tags=["large"]))
    failed = await jobs.ended(user, await jobs.begin(user, STEEL, 1, "restore"))
    plain = await jobs.ended(user, await jobs.begin(user, "tags:large", 1, tags=[]))
    asked = [(sorted(each.request), each.filter) for each in (both, chosen, failed, plain)]
    assert asked == [(["tags", "website"], ""), (["tags"], STEEL), ([], STEEL), (["tags"], "tags:large")]
    shown = [await jobs.get(reader, each) for each in (both, chosen, failed, plain)]
    assert [(sorted(each.request), each.filter) for each in shown] == [
        (["tags"], ""),
        (["tags"], ""),
        ([], ""),
        (["tags"], "tags:large"),
    ]
    assert await jobs.listed(reader) == list(reversed(shown))
    (whole,), (told,) = await jobs.results(user, failed), await jobs.results(reader, failed)
    assert (told.reason, told.detail, bool(whole.detail)) == ("ILLEGAL_STATE", "", True)
    async with held_up(customer, user.tenant_id):
        stopped = await jobs.cancel(reader, await jobs.begin(user, STEEL, 1, website=None))
    assert (stopped.state, list(stopped.request), stopped.filter) == (CANCELLED, [], "")


async def test_a_job_is_cancelled_by_who_began_it_or_answers_for_all_and_the_rest_is_skipped(
    customer: Running, jobs: Jobs, user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    seller = await customer.user(user.tenant_id, grants={"accounts.read": Scope.ALL, "accounts.write": Scope.OWN})
    looker = await customer.user(user.tenant_id, grants={"accounts.read": Scope.ALL})
    for _ in range(3):
        await new_account(customer, seller, industry="steel")
    async with held_up(customer, user.tenant_id):
        job = await jobs.begin(seller, STEEL, 3, industry="power")
        with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
            await jobs.cancel(looker, job)
        with refused("ABORTED", "ETAG_MISMATCH"):
            await jobs.cancel(seller, job, etag="v7")
        stopped = await jobs.cancel(user, job)
    assert (stopped.state, stopped.done_count, stopped.skipped_count) == (CANCELLED, 0, 3)
    with refused("FAILED_PRECONDITION", "ILLEGAL_STATE"):
        await jobs.cancel(user, job)
    assert await industries(customer, user) == ["steel"] * 3
    assert await told(customer, seller) == ["JOB_ENDED"]
    own = await jobs.begin(seller, STEEL, 3, industry="power")
    async with held_up(customer, user.tenant_id):
        pass
    ended = await jobs.ended(seller, own)
    assert ended.state == SUCCEEDED


async def test_who_began_a_job_is_told_how_it_ended(customer: Running, jobs: Jobs, user: User) -> None:
    await steel_works(customer, user, 1)
    job = await jobs.ended(user, await jobs.begin(user, "", 1, industry="power"))
    (notice,) = await raised(customer, user.tenant_id)
    assert (notice.collection, notice.record_id, list(notice.user_ids)) == ("jobs", job.id, [str(user.id)])
    assert (notice.values["outcome"], notice.values["what_zh"]) == ("SUCCEEDED", "客户")


async def test_who_is_given_many_records_by_a_job_is_told_of_all_of_them_together(
    customer: Running, jobs: Jobs, user: User
) -> None:
    other = await customer.user(user.tenant_id)
    await steel_works(customer, user, 3)
    job = await jobs.ended(user, await jobs.begin(user, "", 3, owner_id=str(other.id)))
    given = [each for each in await raised(customer, user.tenant_id) if list(each.user_ids) == [str(other.id)]]
    # What is told again of the same record is added to what is unread.
    assert {(each.collection, each.record_id, each.record_name) for each in given} == {("jobs", job.id, "")}
    (values,) = {tuple(sorted(each.values.items())) for each in given}
    assert dict(values) == {"collection": "accounts", "outcome": "TOGETHER", "what_en": "Account", "what_zh": "客户"}

    async def counts() -> list[int]:
        stub: Any = NotificationServiceStub(customer.channel)
        page = await stub.ListNotifications(notifications_pb2.ListNotificationsRequest(), metadata=other.metadata)
        return [each.count for each in page.notifications]

    async def is_told() -> bool:
        return await counts() == [3]

    await eventually(is_told)


async def test_a_tenant_has_so_many_jobs_under_way_and_no_more(
    customer: Running, jobs: Jobs, user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model, "MAX_UNDER_WAY", 2)
    await steel_works(customer, user, 1)
    async with held_up(customer, user.tenant_id):
        for _ in range(2):
            job = await jobs.begin(user, "", 1, industry="power")
        with refused("FAILED_PRECONDITION", "JOB_LIMIT_REACHED"):
            await jobs.begin(user, "", 1, industry="power")
        assert job.state == QUEUED
        await jobs.cancel(user, job)
        await jobs.begin(user, "", 1, industry="power")


@pytest.mark.parametrize("reason", ["UNAUTHENTICATED", "PERMISSION_DENIED"])
async def test_a_job_ends_where_its_asker_loses_the_right_to_it(
    customer: Running, jobs: Jobs, user: User, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asker = await customer.user(user.tenant_id)
    await steel_works(customer, user, 3)
    # One record a batch, after which the turn ends.
    monkeypatch.setattr("crm_kit.jobs.worker.TURN_SECONDS", 0.0)
    async with held_up(customer, user.tenant_id):
        job = await jobs.begin(asker, STEEL, 3, industry="power")
        await worker(customer).take_turn(user.tenant_id, UUID(job.id))
        assert (await jobs.get(user, job)).changed_count == 1
        await customer.change_user(asker, active=reason == "PERMISSION_DENIED")
        customer.service.directory.forget(user.tenant_id)
    ended = await jobs.ended(user, job)
    assert (ended.state, ended.failure_reason) == (FAILED, reason)
    assert (ended.changed_count, ended.skipped_count) == (1, 2)
    assert await industries(customer, user) == ["power", "steel", "steel"]
    assert await told(customer, asker) == ["JOB_ENDED"]
