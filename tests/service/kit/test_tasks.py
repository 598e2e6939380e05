"""Tasks at records: who sees, gets and changes them, and what becomes of them."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import httpx
import pytest
from crm.customer.v1 import accounts_pb2
from crm.customer.v1.accounts_pb2_grpc import AccountServiceStub
from crm.customer.v1.events_pb2 import AccountUpdated
from crm.resource.v1 import events_pb2
from crm_customer.records.accounts.resource import ACCOUNTS
from crm_kit.approvals.queries import role_ids_of_user
from crm_kit.clock import system_now
from crm_kit.database.work import ReadSession, binds_of
from crm_kit.filtering.tree import Shaped
from crm_kit.identity.access import Scope
from crm_kit.ids import new_id
from crm_kit.listing import select_page
from crm_kit.my_tasks.queries import counts, list_behind, reached_by
from crm_kit.tasks import model
from crm_kit.zones import DEFAULT_ZONE
from google.protobuf.field_mask_pb2 import FieldMask

from tests.service.customer.customers import new_account, new_contact
from tests.service.customer.told import told_of
from tests.service.kit.plans import indexes_in, plan_of, scans_of_rows
from tests.service.notices import raised, told
from tests.service.running import Running, User, refused
from tests.service.tasking import READER, Mine, Task, ToDo, deactivate
from tests.service.web import bearer, gateway


@pytest.fixture
async def owner(customer: Running) -> User:
    return await customer.user(name="王芳")


@pytest.fixture
async def clerk(customer: Running, owner: User) -> User:
    """Who may read all and change nothing."""
    return await customer.user(owner.tenant_id, grants=READER, name="李强")


@pytest.fixture
def todo(customer: Running) -> ToDo:
    return ToDo(customer)


@pytest.fixture
async def web(customer: Running) -> AsyncIterator[httpx.AsyncClient]:
    async with gateway(customer) as client:
        yield client


def day(later: int) -> str:
    """A day from today on, where the tenant is."""
    return (system_now().astimezone(ZoneInfo(DEFAULT_ZONE)).date() + timedelta(days=later)).isoformat()


async def test_a_task_is_created_over_rest_found_changed_done_and_reopened(
    web: httpx.AsyncClient, customer: Running, owner: User, clerk: User
) -> None:
    account = await new_account(customer, owner)
    path = "/v1/tasks/accounts"
    asked = {
        "record_id": account.id,
        "title": "致电客户确认报价",
        "assignee_id": str(clerk.id),
        "due_date": day(2),
        "priority": "HIGH",
    }
    made = await web.post(path, json=asked, headers=bearer(owner))
    assert made.status_code == 201, made.text
    task = made.json()
    assert made.headers["location"] == f"{path}/{task['id']}"
    assert {name: task[name] for name in asked} == asked
    assert (task["record_name"], task["assignee_name"], task["creator_name"]) == ("华信电力有限公司", "李强", "王芳")
    assert (task["state"], task["source"], task["overdue"], task["assignee_missing"]) == (
        "OPEN",
        "MANUAL",
        False,
        False,
    )
    midnight = datetime.fromisoformat(day(3)).replace(tzinfo=ZoneInfo(DEFAULT_ZONE))
    assert datetime.fromisoformat(task["deadline_time"]) == midnight
    of_clerk = {"filter": f'assignee_id = me AND state = OPEN AND record_id = "{account.id}"'}
    found = (await web.get(path, params=of_clerk, headers=bearer(clerk))).json()["tasks"]
    assert [each["id"] for each in found] == [task["id"]]
    assert (await web.get(f"{path}:count", params=of_clerk, headers=bearer(clerk))).json()["count"] == 1
    groups = await web.get(f"{path}:summarize", params={"group_by": "assignee_id"}, headers=bearer(owner))
    assert [each["count"] for each in groups.json()["groups"]] == [1]
    facets = await web.get(f"{path}:facets", params={"field": "assignee_id"}, headers=bearer(owner))
    assert [(each["name"], each["count"]) for each in facets.json()["values"]] == [("李强", 1)]
    stale = {**bearer(clerk), "if-match": '"v9"'}
    assert (await web.patch(f"{path}/{task['id']}", json={"title": "x"}, headers=stale)).status_code == 412
    changed = await web.patch(f"{path}/{task['id']}", json={"due_date": None}, headers=bearer(clerk))
    assert (changed.json()["due_date"], changed.json()["deadline_time"]) == (None, None)
    done = await web.post(f"{path}/{task['id']}:complete", json={"outcome": "they order"}, headers=bearer(clerk))
    assert done.status_code == 200, done.text
    assert (done.json()["state"], done.json()["outcome"], done.json()["ended_by_name"]) == (
        "DONE",
        "they order",
        "李强",
    )
    for verb in ("complete", "cancel"):
        again = await web.post(f"{path}/{task['id']}:{verb}", json={}, headers=bearer(clerk))
        assert (again.status_code, again.json()["reason"]) == (409, "ILLEGAL_STATE"), again.text
    assert (await web.patch(f"{path}/{task['id']}", json={"title": "x"}, headers=bearer(clerk))).status_code == 409
    opened = await web.post(f"{path}/{task['id']}:reopen", json={}, headers=bearer(clerk))
    assert (opened.json()["state"], opened.json()["outcome"], opened.json()["end_time"]) == ("OPEN", None, None)
    history = (await web.get(f"{path}/{task['id']}/changes", headers=bearer(owner))).json()["changes"]
    assert [each["action"] for each in history] == ["REOPENED", "COMPLETED", "UPDATED", "CREATED"]
    then = await web.get(
        f"{path}/{task['id']}:asOf", params={"read_time": made.json()["create_time"]}, headers=bearer(owner)
    )
    assert (then.json()["due_date"], then.json()["state"]) == (asked["due_date"], "OPEN")
    names = [type(each).__name__ for each in await told_of(customer, owner.tenant_id, task["id"])]
    assert names == ["TaskCreated", "TaskUpdated", "TaskCompleted", "TaskReopened"]
    exported = await web.get("/v1/tasks/accounts:export", params={"filter": "state = OPEN"}, headers=bearer(owner))
    assert exported.status_code == 200, exported.text
    assert task["title"] in exported.text


async def test_what_verbs_change_is_refused_by_them_and_not_left_as_it_is_in_silence(
    web: httpx.AsyncClient, customer: Running, owner: User
) -> None:
    account, path = await new_account(customer, owner), "/v1/tasks/accounts"
    asked = {"record_id": account.id, "title": "致电客户确认报价"}
    task = (await web.post(path, json=asked, headers=bearer(owner))).json()
    for name, value, verbs in (
        ("state", "DONE", ":complete, :cancel, :reopen"),
        ("outcome", "they order", ":complete, :cancel"),
    ):
        for answer in (
            await web.patch(f"{path}/{task['id']}", json={name: value}, headers=bearer(owner)),
            await web.post(path, json=asked | {name: value}, headers=bearer(owner)),
        ):
            assert answer.status_code == 422, answer.text
            assert answer.json()["detail"] == f"{name}: can be changed only by {verbs}"
    again = await web.patch(f"{path}/{task['id']}", json=task | {"priority": "HIGH"}, headers=bearer(owner))
    assert (again.status_code, again.json()["state"], again.json()["priority"]) == (200, "OPEN", "HIGH"), again.text


async def test_only_who_may_read_the_record_is_given_a_task_at_it(customer: Running, todo: ToDo, owner: User) -> None:
    account = await new_account(customer, owner)
    stranger = await customer.user(owner.tenant_id, grants={"accounts.read": Scope.OWN})
    elsewhere = await customer.user()
    with refused("INVALID_ARGUMENT", "ASSIGNMENT_NOT_ALLOWED") as refusal:
        await todo.create(owner, account.id, assignee_id=str(stranger.id))
    assert refusal.fields == ["task.assignee_id"]
    for id in (str(elsewhere.id), str(new_id())):
        with refused("INVALID_ARGUMENT", "REFERENCE_NOT_FOUND") as refusal:
            await todo.create(owner, account.id, assignee_id=id)
        assert refusal.fields == ["task.assignee_id"]
    for by in (stranger, elsewhere):
        with refused("NOT_FOUND", "ACCOUNT_NOT_FOUND"):
            await todo.create(by, account.id)
    task = await todo.create(owner, account.id)
    with refused("INVALID_ARGUMENT", "ASSIGNMENT_NOT_ALLOWED"):
        await todo.update(owner, task, assignee_id=str(stranger.id))
    for attempt in (todo.get(stranger, task), todo.complete(stranger, task), todo.get(elsewhere, task)):
        with refused("NOT_FOUND", "TASK_NOT_FOUND"):
            await attempt
    assert (await todo.list(stranger), await todo.count(stranger), await todo.count(elsewhere)) == ([], 0, 0)
    with refused("NOT_FOUND", "TASK_NOT_FOUND"):
        await ToDo(customer, "contacts").get(owner, task)
    with refused("NOT_FOUND", "COLLECTION_NOT_FOUND"):
        await ToDo(customer, "teams").list(owner)


async def test_a_task_is_changed_by_its_creator_its_assignee_and_who_may_change_the_record(
    customer: Running, todo: ToDo, owner: User, clerk: User
) -> None:
    account = await new_account(customer, owner)
    colleague, other = [await customer.user(owner.tenant_id, grants=READER) for _ in range(2)]
    task = await todo.create(clerk, account.id, assignee_id=str(colleague.id))
    for attempt in (todo.update(other, task, title="x"), todo.complete(other, task), todo.cancel(other, task)):
        with refused("PERMISSION_DENIED", "PERMISSION_DENIED") as refusal:
            await attempt
        assert refusal.metadata["rule"] == "not_concerned"
    for by in (clerk, colleague, owner):
        task = await todo.update(by, task, title=f"for {by.id}")
    # What is nobody's is taken by whoever may read the record.
    task = await todo.update(colleague, task, cleared=("assignee_id",))
    assert task.assignee_missing
    taken = await todo.update(other, task, assignee_id=str(other.id))
    assert (taken.assignee_id, taken.assignee_missing) == (str(other.id), False)
    assert (await todo.complete(other, taken)).state == Task.STATE_DONE


async def test_times_that_do_not_go_together_are_refused_by_name(customer: Running, todo: ToDo, owner: User) -> None:
    account = await new_account(customer, owner)
    now = system_now()
    wrong: tuple[tuple[dict[str, Any], str], ...] = (
        ({"due_date": day(1), "due_time": now + timedelta(days=1)}, "task.due_time"),
        ({"due_date": "2026-02-30"}, "task.due_date"),
        ({"due_date": "9999-12-31"}, "task.due_date"),
        ({"due_date": "0001-01-01"}, "task.due_date"),
        ({"reminder_time": now - timedelta(minutes=1)}, "task.reminder_time"),
        ({"due_time": now + timedelta(hours=1), "reminder_time": now + timedelta(hours=1)}, "task.reminder_time"),
        ({"title": " "}, "task.title"),
        ({"title": "x" * 201}, "task.title"),
    )
    for values, field in wrong:
        with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
            await todo.create(owner, account.id, **{"title": "call", **values})
        assert refusal.fields == [field], values
    task = await todo.create(
        owner, account.id, due_time=now + timedelta(hours=2), reminder_time=now + timedelta(hours=1)
    )
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
        await todo.update(owner, task, due_time=now + timedelta(minutes=30))
    assert refusal.fields == ["task.reminder_time"]
    # What is past may be recorded: it is overdue from the beginning.
    assert (await todo.create(owner, account.id, due_date=day(-1))).overdue
    kept: tuple[dict[str, Any], ...] = ({"state": Task.STATE_DONE}, {"outcome": "x"}, {"overdue": True})
    for values in kept:
        with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
            await todo.create(owner, account.id, **values)
        assert refusal.fields == [f"task.{name}" for name in values]


async def test_what_is_sent_twice_or_at_the_same_moment_has_one_effect(
    customer: Running, todo: ToDo, owner: User, clerk: User
) -> None:
    account = await new_account(customer, owner)
    key = new_id().hex
    task = await todo.create(owner, account.id, key=key, assignee_id=str(clerk.id))
    assert await todo.create(owner, account.id, key=key, assignee_id=str(clerk.id)) == task
    attempts = [todo.complete(clerk, task) for _ in range(3)] + [todo.cancel(owner, task) for _ in range(2)]
    answers = await asyncio.gather(*attempts, return_exceptions=True)
    assert sum(isinstance(each, Task) for each in answers) == 1
    assert len(await told_of(customer, owner.tenant_id, task.id)) == 2
    opened = await todo.reopen(owner, task)
    assert await todo.complete(clerk, opened, key=key) == await todo.complete(clerk, opened, key=key)
    with refused("ABORTED", "ETAG_MISMATCH"):
        await todo.complete(clerk, opened, etag=task.etag)


async def test_who_is_given_a_task_and_who_created_one_that_others_end_is_told(
    customer: Running, todo: ToDo, owner: User, clerk: User
) -> None:
    account = await new_account(customer, owner)
    task = await todo.create(owner, account.id, "send a quote", assignee_id=str(clerk.id), note="by mail")
    await todo.complete(clerk, task, "sent")
    await todo.reopen(owner, task)
    await todo.complete(owner, task)
    own = await todo.create(clerk, account.id, assignee_id=str(clerk.id))
    await todo.cancel(owner, own, "too late")
    assert await told(customer, clerk) == ["TASK_ASSIGNED", "TASK_ASSIGNED", "TASK_ENDED"]
    assert await told(customer, owner) == ["TASK_ENDED"]
    notices = await raised(customer, owner.tenant_id)
    assert {(each.values["collection"], each.values["record_id"]) for each in notices} == {("accounts", account.id)}
    assert [(each.collection, each.record_id) for each in notices] == [("tasks", task.id)] * 3 + [("tasks", own.id)]
    assert (notices[0].record_name, notices[0].text) == ("send a quote · 华信电力有限公司", "by mail")
    assert (notices[1].text, notices[1].values["outcome"]) == ("sent", "DONE")


async def test_what_somebody_has_to_do_is_one_list_of_what_they_may_read(
    customer: Running, todo: ToDo, owner: User
) -> None:
    account = await new_account(customer, owner)
    contact = await new_contact(customer, owner, account.id)
    doer = await customer.user(owner.tenant_id, grants={**READER, "contacts.read": Scope.ALL})
    mine, of_contacts, me = Mine(customer), ToDo(customer, "contacts"), str(doer.id)
    await todo.create(owner, account.id, "never", assignee_id=me)
    await todo.create(owner, account.id, "in a week", assignee_id=me, due_date=day(7), priority=Task.PRIORITY_HIGH)
    await of_contacts.create(owner, contact.id, "today", assignee_id=me, due_date=day(0))
    late = await todo.create(owner, account.id, "yesterday", assignee_id=me, due_date=day(-1))
    await todo.complete(doer, await todo.create(owner, account.id, "done", assignee_id=me))
    await todo.create(owner, account.id, "another's", assignee_id=str(owner.id))
    assert await mine.titles(doer) == ["yesterday", "today", "in a week", "never"]
    assert await mine.counts(doer) == (4, 1, 1)
    assert await mine.titles(doer, "overdue = true") == ["yesterday"]
    assert await mine.titles(doer, "priority = HIGH OR due_date = today") == ["today", "in a week"]
    with refused("INVALID_ARGUMENT", "INVALID_FILTER"):
        await mine.titles(doer, "nothing = 1")
    seen, behind = [], dict[str, Any]()
    while True:
        page = await mine.find(doer, page_size=1, **behind)
        seen += [each.title for each in page.tasks]
        if not page.has_more:
            break
        last = page.tasks[-1]
        behind = {"after_id": last.id}
        if last.HasField("deadline_time"):
            behind["after_deadline_time"] = last.deadline_time
    assert seen == ["yesterday", "today", "in a week", "never"]
    assert late.overdue
    assert (await mine.titles(await customer.user()), await mine.counts(await customer.user())) == ([], (0, 0, 0))
    # Whoever may not read the record any more has nothing to do at it.
    narrowed = await customer.user(owner.tenant_id, grants={"contacts.read": Scope.ALL})
    async with customer.unit_of_work(owner.tenant_id) as work:
        row = await work.one(role_ids_of_user(), user_id=narrowed.id)
    assert row is not None
    await deactivate(customer, doer, role_ids=tuple(row["role_ids"]), active=True)
    assert await mine.titles(doer) == ["today"]
    assert await mine.counts(doer) == (1, 0, 1)


async def test_tasks_that_nobody_who_is_active_has_are_found(
    customer: Running, todo: ToDo, owner: User, clerk: User
) -> None:
    account = await new_account(customer, owner)
    left = await todo.create(owner, account.id, "left behind", assignee_id=str(clerk.id))
    nobodys = await todo.create(owner, account.id, "nobody's")
    await todo.complete(owner, await todo.create(owner, account.id, "done", assignee_id=str(clerk.id)))
    await deactivate(customer, clerk)
    found = await todo.list(owner, "assignee_missing = true", order_by="id")
    assert [each.id for each in found] == [left.id, nobodys.id]
    # One that has left keeps what they have, and may be named again, while nobody else gets it from them.
    assert (await todo.update(owner, left, title="still theirs")).assignee_id == str(clerk.id)
    with refused("INVALID_ARGUMENT", "REFERENCE_NOT_FOUND"):
        await todo.update(owner, nobodys, assignee_id=str(clerk.id))


async def test_what_events_say_of_a_task_is_what_it_is(customer: Running, todo: ToDo, owner: User) -> None:
    account = await new_account(customer, owner)
    task = await todo.create(owner, account.id, due_time=datetime(2030, 1, 31, 9, tzinfo=UTC))
    await todo.update(owner, task, title="write to them", note="in German")
    created, updated = await told_of(customer, owner.tenant_id, task.id)
    assert isinstance(created, events_pb2.TaskCreated)
    assert isinstance(updated, events_pb2.TaskUpdated)
    names = ("id", "collection", "record_id", "title", "creator_id", "priority", "state", "source", "deadline_time")
    assert {name: getattr(created.task, name) for name in names} == {name: getattr(task, name) for name in names}
    assert sorted(updated.changed_fields) == ["note", "title"]
    assert UUID(updated.task.id) == UUID(task.id)


async def update_owner(customer: Running, by: User, id: str, to: User) -> None:
    account = accounts_pb2.Account(id=id, owner_id=str(to.id))
    request = accounts_pb2.UpdateAccountRequest(account=account, update_mask=FieldMask(paths=["owner_id"]))
    await AccountServiceStub(customer.channel).UpdateAccount(request, metadata=by.metadata)


async def test_open_tasks_of_the_owner_go_along_when_the_record_is_given_to_somebody_else(
    customer: Running, todo: ToDo, owner: User, clerk: User
) -> None:
    account, other = [await new_account(customer, owner) for _ in range(2)]
    heir, mine = await customer.user(owner.tenant_id), str(owner.id)
    goes = await todo.create(clerk, account.id, "goes along", assignee_id=mine, due_date=day(1))
    done = await todo.complete(owner, await todo.create(clerk, account.id, "was done", assignee_id=mine))
    clerks = await todo.create(owner, account.id, "the clerk's", assignee_id=str(clerk.id))
    elsewhere = await todo.create(clerk, other.id, "elsewhere", assignee_id=mine)
    await update_owner(customer, owner, account.id, heir)
    assert [(await todo.get(owner, each)).assignee_id for each in (goes, done, clerks, elsewhere)] == [
        str(heir.id),
        mine,
        str(clerk.id),
        mine,
    ]
    assert await told(customer, heir) == ["RECORD_ASSIGNED", "TASK_ASSIGNED"]
    names = [type(each).__name__ for each in await told_of(customer, owner.tenant_id, goes.id)]
    assert names == ["TaskCreated", "TaskUpdated"]
    # A change that gives nothing away moves nothing.
    await update_owner(customer, heir, account.id, heir)
    assert await Mine(customer).titles(owner) == ["elsewhere"]


async def test_who_gives_a_record_on_moves_no_deadline_and_asks_nothing_of_times(customer: Running, todo: ToDo) -> None:
    tenant_id = new_id()
    await customer.know_tenant(tenant_id, time_zone="America/New_York")
    owner, heir = [await customer.user(tenant_id) for _ in range(2)]
    account = await new_account(customer, owner)
    due = datetime(2031, 2, 1, 5, tzinfo=UTC)
    values: dict[str, Any] = {"assignee_id": str(owner.id), "due_date": "2031-01-31"}
    task = await todo.create(owner, account.id, reminder_time=due - timedelta(hours=1), **values)
    # Where the tenant is now, the day ends before its reminder.
    await customer.know_tenant(tenant_id, time_zone="Asia/Shanghai", version=2)
    customer.service.directory.forget(tenant_id)
    await update_owner(customer, owner, account.id, heir)
    # What the service does in its own name has no zone.
    async with customer.unit_of_work(tenant_id) as work:
        before = await ACCOUNTS.get(work, UUID(account.id))
        ACCOUNTS.save(work, before, replace(before, owner_id=owner.id), AccountUpdated)
    after = await todo.get(owner, task)
    assert (after.assignee_id, after.deadline_time.ToDatetime(tzinfo=UTC)) == (str(owner.id), due)


async def test_of_several_tasks_that_go_along_somebody_is_told_by_one_notice(
    customer: Running, todo: ToDo, owner: User, clerk: User
) -> None:
    account, heir = await new_account(customer, owner), await customer.user(owner.tenant_id)
    for title in ("call", "write", "visit"):
        await todo.create(clerk, account.id, title, assignee_id=str(owner.id))
    await update_owner(customer, owner, account.id, heir)
    assert await told(customer, heir) == ["RECORD_ASSIGNED", "TASK_ASSIGNED"]
    last = (await raised(customer, owner.tenant_id))[-1]
    assert (last.collection, last.record_id, last.count) == ("accounts", account.id, 3)
    assert len(await Mine(customer).titles(heir)) == 3


async def test_who_may_not_read_the_record_any_more_is_not_told_that_their_task_is_open_again(
    customer: Running, todo: ToDo, owner: User, clerk: User
) -> None:
    account = await new_account(customer, owner)
    task = await todo.complete(owner, await todo.create(owner, account.id, "secret", assignee_id=str(clerk.id)))
    await customer.change_user(clerk)
    customer.service.directory.forget(owner.tenant_id)
    await todo.reopen(owner, task)
    assert await told(customer, clerk) == ["TASK_ASSIGNED"]


async def test_a_record_has_so_many_open_tasks_that_it_can_be_given_on(
    customer: Running, todo: ToDo, owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model, "MAX_OPEN", 2)
    account, other = [await new_account(customer, owner) for _ in range(2)]
    first, _ = [await todo.create(owner, account.id) for _ in range(2)]
    with refused("FAILED_PRECONDITION", "TASK_LIMIT_REACHED") as refusal:
        await todo.create(owner, account.id)
    assert refusal.metadata["most"] == "2"
    await todo.create(owner, other.id)
    await todo.complete(owner, first)
    await todo.create(owner, account.id)
    with refused("FAILED_PRECONDITION", "TASK_LIMIT_REACHED"):
        await todo.reopen(owner, first)


async def test_what_somebody_has_to_do_is_found_by_the_index_of_their_open_tasks(
    customer: Running, owner: User
) -> None:
    database, now = customer.service.database, system_now()
    own = await customer.user(owner.tenant_id, grants={"accounts.read": Scope.OWN, "contacts.read": Scope.TEAM})
    for user in (owner, own):
        actor = await customer.service.directory.user(user.tenant_id, user.id)
        reached = reached_by(actor.access, customer.service.task_places)
        listing = list_behind(reached, None)
        reader = ReadSession(database, actor, scope=Scope.ALL, now=now)
        tree, order = await listing.read(reader, "", "deadline_time")
        binds = binds_of(reader) | {"page_limit": 51, "most": 10_000, "tomorrow": now}
        for query in (select_page(listing, Scope.ALL, Shaped.of(tree), order, None), counts(reached)):
            plan = await plan_of(database, user.tenant_id, query, binds)
            assert "tasks_open_index" in indexes_in(plan), plan
            # In its order, so that what is beyond the page is not read.
            assert "Sort" not in scans_of_rows(plan), plan
