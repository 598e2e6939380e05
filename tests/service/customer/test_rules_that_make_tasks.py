"""Automation rules that give people tasks: once for each cause, with the rights of who activated them."""

from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from crm.customer.v1 import accounts_pb2
from crm.customer.v1.accounts_pb2_grpc import AccountServiceStub
from crm_kit.identity.access import Scope
from crm_kit.zones import DEFAULT_ZONE

from tests.service.automating import FAILED, SUCCEEDED, Rules, create, on
from tests.service.customer.customers import new_account
from tests.service.notices import told
from tests.service.running import Running, User, refused
from tests.service.tasking import READER, Task, ToDo

CALL = {
    "title": "致电{{record.display_name}}, 了解原因",
    "note": "{{record.industry}}",
    "assignee_id": "{{record.owner_id}}",
    "due_date": "{{cause.date+3d}}",
    "priority": "HIGH",
}


@pytest.fixture
def rules(customer: Running) -> Rules:
    return Rules(customer.channel, "accounts")


@pytest.fixture
async def user(customer: Running) -> User:
    return await customer.user()


async def change_status(customer: Running, by: User, id: str) -> accounts_pb2.Account:
    request = accounts_pb2.ChangeAccountStatusRequest(id=id, status=accounts_pb2.Account.STATUS_DORMANT)
    stub = AccountServiceStub(customer.channel)
    answer: accounts_pb2.Account = await stub.ChangeAccountStatus(request, metadata=by.metadata)
    return answer


async def test_the_owner_of_an_account_that_becomes_dormant_has_to_call_it_within_three_days(
    customer: Running, rules: Rules, user: User
) -> None:
    todo, owner = ToDo(customer), await customer.user(user.tenant_id)
    rule = await rules.active(user, create("tasks", **CALL), trigger=on("STATUS_CHANGED"))
    account = await new_account(customer, owner, industry="power")
    changed = await change_status(customer, owner, account.id)
    (run,) = await rules.ran(user, rule)
    (task,) = await todo.list(owner)
    (effect,) = run.effects
    assert (run.state, effect.created_collection, effect.created_id) == (SUCCEEDED, "tasks", task.id)
    assert (task.title, task.note) == ("致电华信电力有限公司, 了解原因", "power")
    day = changed.update_time.ToDatetime(ZoneInfo(DEFAULT_ZONE)).date() + timedelta(days=3)
    assert (task.record_id, task.assignee_id, task.due_date) == (account.id, str(owner.id), day.isoformat())
    assert (task.source, task.rule_id, task.creator_id) == (Task.SOURCE_RULE, rule.id, str(user.id))
    assert task.priority == Task.PRIORITY_HIGH
    assert await told(customer, owner) == ["TASK_ASSIGNED"]
    # What they do themselves nobody tells them, also of a task that a rule has made.
    await todo.reopen(owner, await todo.complete(owner, task))
    assert await told(customer, owner) == ["TASK_ASSIGNED"]
    # Who is given one by a rule of their own is told, too.
    own = await new_account(customer, user, industry="steel")
    await change_status(customer, user, own.id)
    await rules.ran(user, rule, 2)
    assert await told(customer, user) == ["TASK_ENDED", "TASK_ASSIGNED"]


async def test_a_rule_that_gives_a_task_to_who_may_not_read_the_record_says_so_and_makes_none(
    customer: Running, rules: Rules, user: User
) -> None:
    stranger = await customer.user(user.tenant_id, grants={"accounts.read": Scope.OWN})
    values = {"title": "call", "assignee_id": str(stranger.id)}
    rule = await rules.active(user, create("tasks", **values), trigger=on("CREATED"))
    await new_account(customer, user)
    (run,) = await rules.ran(user, rule)
    assert (run.state, run.reason, list(run.fields)) == (FAILED, "ASSIGNMENT_NOT_ALLOWED", ["task.assignee_id"])
    assert await ToDo(customer).list(user) == []


async def test_what_no_task_can_be_is_refused_when_the_rule_is_written(rules: Rules, user: User) -> None:
    for values, field in (
        ({"title": "call", "due_date": "soon"}, "due_date"),
        ({"title": "{{record.nothing}}"}, "title"),
        ({"title": "call", "priority": "SOME"}, "priority"),
        ({"title": "call", "record_id": "{{record.id}}"}, "record_id"),
        ({"title": "call", "owner_id": "{{record.owner_id}}"}, "owner_id"),
        ({"note": "without a title"}, "title"),
    ):
        with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
            await rules.active(user, create("tasks", **values), trigger=on("CREATED"))
        assert refusal.fields == [f"automation_rule.actions[0].creation.values.{field}"], values


async def test_who_may_read_accounts_and_change_rules_has_tasks_made(
    customer: Running, rules: Rules, user: User
) -> None:
    grants = {**READER, "automation_rules.write": Scope.ALL}
    planner = await customer.user(user.tenant_id, grants=grants)
    rule = await rules.active(planner, create("tasks", title="welcome them"), trigger=on("CREATED"))
    account = await new_account(customer, user)
    await rules.ran(planner, rule)
    (task,) = await ToDo(customer).list(planner, f'record_id = "{account.id}"')
    assert (task.creator_id, task.assignee_missing) == (str(planner.id), True)
