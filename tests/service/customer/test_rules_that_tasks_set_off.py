"""Automation rules that tasks set off: which tasks, at which records, once for each event, and without end to none."""

from datetime import timedelta
from typing import Any

import pytest
from crm.customer.v1 import accounts_pb2
from crm.customer.v1.accounts_pb2_grpc import AccountServiceStub
from crm_kit.clock import system_now
from crm_kit.identity.access import Scope
from crm_kit.wire import timestamp

from tests.service.automating import STOPPED_LOOP, SUCCEEDED, Rules, action, create, notify, on, settled, told_in
from tests.service.customer.customers import new_account
from tests.service.notices import told
from tests.service.running import Running, User, refused
from tests.service.tasking import Task, ToDo

RULES = {"automation_rules.write": Scope.ALL}


@pytest.fixture
def rules(customer: Running) -> Rules:
    return Rules(customer.channel, "accounts")


@pytest.fixture
def todo(customer: Running) -> ToDo:
    return ToDo(customer)


@pytest.fixture
async def user(customer: Running) -> User:
    return await customer.user(await customer.tenant(sandbox=True))


async def pass_time(customer: Running, user: User, ahead: timedelta, version: int) -> None:
    await customer.know_tenant(user.tenant_id, sandbox=True, clock_offset=ahead, version=version)


async def industry(customer: Running, by: User, id: str) -> str:
    request = accounts_pb2.GetAccountRequest(id=id)
    account = await AccountServiceStub(customer.channel).GetAccount(request, metadata=by.metadata)
    return str(account.industry)


async def test_a_task_that_is_completed_sets_off_rules_for_such_tasks_at_such_records(
    customer: Running, rules: Rules, todo: ToDo, user: User
) -> None:
    trigger = on("TASK_COMPLETED")
    trigger.task_filter = "priority = HIGH AND assignee_id = me"
    rule = await rules.active(
        user,
        action("update", industry="power"),
        notify("{{record.display_name}}", user),
        trigger=trigger,
        filter="industry = steel",
    )
    steel, glass = [await new_account(customer, user, industry=name) for name in ("steel", "glass")]
    mine: dict[str, Any] = {"assignee_id": str(user.id), "priority": Task.PRIORITY_HIGH}
    other = await customer.user(user.tenant_id)
    of_others = await todo.create(user, steel.id, assignee_id=str(other.id), priority=Task.PRIORITY_HIGH)
    normal = await todo.create(user, steel.id, assignee_id=str(user.id))
    elsewhere = await todo.create(user, glass.id, **mine)
    right = await todo.create(user, steel.id, **mine)
    cancelled = await todo.create(user, steel.id, **mine)
    for task in (of_others, normal, elsewhere):
        await todo.complete(user, task)
    await todo.cancel(user, cancelled)
    await settled(customer, user.tenant_id)
    assert await rules.runs_of(user, rule) == []
    await todo.complete(user, right)
    (run,) = await rules.ran(user, rule)
    assert (run.state, run.event, run.record_id) == (SUCCEEDED, "TASK_COMPLETED", steel.id)
    assert await industry(customer, user, steel.id) == "power"
    assert (await told(customer, user)).count("AUTOMATION") == 1
    # What is sent twice runs once.
    for event in await told_in(customer, user.tenant_id):
        await customer.service.automation.apply(event)
    assert len(await rules.runs_of(user, rule)) == 1
    assert (await told(customer, user)).count("AUTOMATION") == 1


async def test_what_happens_to_tasks_is_told_apart(customer: Running, rules: Rules, todo: ToDo, user: User) -> None:
    names = ("TASK_CREATED", "TASK_UPDATED", "TASK_CANCELLED", "TASK_REOPENED")
    each = [await rules.active(user, notify(name, user), trigger=on(name)) for name in names]
    account = await new_account(customer, user)
    task = await todo.create(user, account.id)
    task = await todo.update(user, task, title="call again")
    await todo.reopen(user, await todo.cancel(user, task))
    await settled(customer, user.tenant_id)
    assert [[run.event for run in await rules.runs_of(user, rule)] for rule in each] == [[name] for name in names]


async def test_a_rule_does_nothing_at_records_that_who_activated_it_does_not_see(
    customer: Running, rules: Rules, todo: ToDo, user: User
) -> None:
    narrow = await customer.user(
        user.tenant_id, grants=RULES | {"accounts.read": Scope.OWN, "accounts.write": Scope.ALL}
    )
    rule = await rules.active(narrow, action("update", industry="power"), trigger=on("TASK_CREATED"))
    own, others = await new_account(customer, narrow), await new_account(customer, user)
    for account in (others, own):
        await todo.create(user, account.id)
    await settled(customer, user.tenant_id)
    assert [run.record_id for run in await rules.runs_of(user, rule)] == [own.id]


async def test_a_task_that_is_not_done_in_time_sets_a_rule_off_once_for_each_deadline(
    customer: Running, rules: Rules, todo: ToDo, user: User
) -> None:
    rule = await rules.active(user, notify("late", user), trigger=on("TASK_OVERDUE"))
    account, now = await new_account(customer, user), system_now()
    due: dict[str, Any] = {"due_time": timestamp(now + timedelta(hours=1))}
    done, late = [await todo.create(user, account.id, title, **due) for title in ("done", "late")]
    await todo.complete(user, done)
    await pass_time(customer, user, timedelta(hours=2), 2)
    (run,) = await rules.ran(user, rule)
    assert (run.event, run.record_id, run.state) == ("TASK_OVERDUE", account.id, SUCCEEDED)
    await todo.update(user, late, due_time=timestamp(now + timedelta(hours=5)))
    await pass_time(customer, user, timedelta(hours=6), 3)
    await rules.ran(user, rule, 2)


async def test_a_task_that_a_rule_makes_does_not_set_that_rule_off_when_it_is_late_itself(
    customer: Running, rules: Rules, todo: ToDo, user: User
) -> None:
    again = create("tasks", title="again", due_time="{{cause.time+1h}}")
    first = await rules.active(user, again, trigger=on("TASK_OVERDUE"), display_name="escalate")
    account = await new_account(customer, user)
    await todo.create(user, account.id, due_time=timestamp(system_now() + timedelta(hours=1)))
    await pass_time(customer, user, timedelta(minutes=61), 2)
    await rules.ran(user, first)
    assert [each.title for each in await todo.list(user)] == ["again", "call them"]
    await pass_time(customer, user, timedelta(hours=4), 3)
    newest, _ = await rules.ran(user, first, 2)
    assert (newest.state, newest.reason) == (STOPPED_LOOP, "AUTOMATION_LOOP")
    assert [each.display_name for each in newest.causes] == ["escalate", "escalate"]
    assert len(await todo.list(user)) == 2


async def test_what_does_not_go_with_tasks_is_refused_by_name(customer: Running, rules: Rules, user: User) -> None:
    of_tasks = on("TASK_CREATED")
    of_tasks.task_filter = "priority = HIGH"
    beside = on("UPDATED")
    beside.task_filter = "priority = HIGH"
    unstored = on("TASK_CREATED")
    unstored.task_filter = "overdue = true"
    unknown = on("TASK_CREATED")
    unknown.task_filter = "prioritty = HIGH"
    wrong = (
        ({"trigger": on("TASK_CREATED", "UPDATED")}, "automation_rule.trigger.events"),
        ({"trigger": on("TASK_STARTED")}, "automation_rule.trigger.events[0]"),
        ({"trigger": beside}, "automation_rule.trigger.task_filter"),
        ({"trigger": unstored}, "automation_rule.trigger.task_filter"),
        ({"trigger": of_tasks, "filter_before": "industry = steel"}, "automation_rule.filter_before"),
    )
    for fields, field in wrong:
        with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
            await rules.create(user, notify("x", user), **fields)
        assert refusal.fields == [field]
    with refused("INVALID_ARGUMENT", "INVALID_FILTER"):
        await rules.create(user, notify("x", user), trigger=unknown)
    rule = await rules.create(user, notify("x", user), trigger=of_tasks)
    assert rule.trigger.task_filter == "priority = HIGH"
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT"):
        await rules.tried(user, rule)
