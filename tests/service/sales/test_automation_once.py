"""Each rule runs once on an event: sent again, by many at once, by several replicas, and by processes that die."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from crm.event.v1 import event_pb2
from crm_kit.automation.doing import Doing
from crm_kit.automation.running import Runner
from crm_kit.command_line import replay_all_dead_letters, with_database
from crm_kit.database.statements import compile_statement
from crm_kit.database.work import Reader, UnitOfWork
from crm_kit.errors import Unavailable
from crm_kit.identity.access import service_actor
from crm_kit.listing import Listing
from crm_kit.plumbing import dead_letters
from crm_local.port_check import free_ports
from crm_local.testing import Servers
from crm_sales.app import build
from crm_sales.settings import SalesSettings
from sqlalchemy import bindparam, select

from tests.service.automating import SUCCEEDED, Rules, action, settled, told_in
from tests.service.eventually import eventually
from tests.service.kit.custom_fields import NUMBER, new_field
from tests.service.running import Running, Tokens, User, running
from tests.service.sales.conftest import CreateLead

LETTERS = compile_statement(
    select(dead_letters.c.id).where(
        dead_letters.c.tenant_id == bindparam("tenant_id"), dead_letters.c.consumer == "sales_automation"
    )
)


class CrashError(Exception):
    """The process ends here."""


@pytest.fixture
def rules(sales: Running) -> Rules:
    return Rules(sales.channel, "leads")


@pytest.fixture(scope="module")
async def second(servers: Servers, tokens: Tokens, sales: Running) -> AsyncIterator[Running]:
    """Another replica of the service."""
    async with running("sales", servers, tokens, listen_address=f"127.0.0.1:{free_ports().sales}") as service:
        assert sales.channel is not service.channel
        yield service


async def created(sales: Running, user: User) -> event_pb2.Event:
    (event, *_) = await told_in(sales, user.tenant_id)
    return event


async def test_an_event_that_many_are_sent_at_once_sets_a_rule_off_once(
    sales: Running, second: Running, user: User, rules: Rules, create: CreateLead
) -> None:
    rule = await rules.active(user, action("update", source="x"), action("update", campaign="{{record.etag}}"))
    await create()
    event = await created(sales, user)
    consumers = [each.service.automation for each in (sales, second) * 4]
    await asyncio.gather(*(each.apply(event) for each in consumers), return_exceptions=True)
    events = await settled(sales, user.tenant_id)
    (run,) = await rules.runs_of(user, rule)
    assert (run.state, len(run.effects), len(events)) == (SUCCEEDED, 2, 3)


@pytest.mark.parametrize("before_commit", [True, False], ids=["before it is true", "before it says so"])
async def test_a_process_that_dies_in_a_run_leaves_all_of_it_or_nothing_and_it_runs_once(
    monkeypatch: pytest.MonkeyPatch,
    sales: Running,
    user: User,
    rules: Rules,
    create: CreateLead,
    before_commit: bool,
) -> None:
    rule = await rules.active(user, action("update", source="x"))
    commit = UnitOfWork.commit
    crashes: list[UnitOfWork] = []

    async def dies(work: UnitOfWork) -> None:
        if not work.causes or crashes:
            await commit(work)
            return
        crashes.append(work)
        if not before_commit:
            await commit(work)
        raise CrashError

    monkeypatch.setattr(UnitOfWork, "commit", dies)
    await create()

    async def has_crashed() -> bool:
        return bool(crashes)

    await eventually(has_crashed)
    events = await settled(sales, user.tenant_id)
    (run,) = await rules.runs_of(user, rule)
    assert (run.state, len(events)) == (SUCCEEDED, 2)


async def test_what_cannot_be_had_now_is_tried_again_and_is_no_failure(
    monkeypatch: pytest.MonkeyPatch, sales: Running, user: User, rules: Rules, create: CreateLead
) -> None:
    rule = await rules.active(user, action("update", source="x"))
    call = Doing._call
    refused: list[object] = []

    async def is_away(doing: Doing, *asked: object) -> None:
        if len(refused) < 2:
            refused.append(asked)
            raise Unavailable("away")
        await call(doing, *asked)  # type: ignore[arg-type]

    monkeypatch.setattr(Doing, "_call", is_away)
    await create()
    (run,) = await rules.ran(user, rule)
    assert run.state == SUCCEEDED


async def test_filters_that_cannot_be_read_now_are_read_again_and_are_no_failure(
    monkeypatch: pytest.MonkeyPatch, sales: Running, user: User, rules: Rules, create: CreateLead
) -> None:
    """What they mean depends on custom fields, which are in the database."""
    await new_field(sales, user, "fleet", NUMBER, collection="leads")
    rule = await rules.active(user, action("update", source="x"), filter="custom.fleet = 1 OR campaign = spring")
    read = Listing.read
    refused: list[object] = []

    async def is_away(listing: Listing, reader: Reader, *asked: str) -> Any:
        if reader.actor == service_actor(user.tenant_id) and len(refused) < 2:
            refused.append(asked)
            raise Unavailable("away")
        return await read(listing, reader, *asked)

    monkeypatch.setattr(Listing, "read", is_away)
    await create(campaign="spring")
    await rules.ran(user, rule)
    await settled(sales, user.tenant_id)
    assert [each.state for each in await rules.runs_of(user, rule)] == [SUCCEEDED]
    assert len(refused) == 2


async def test_a_defect_of_one_rule_keeps_no_other_from_running(
    monkeypatch: pytest.MonkeyPatch, sales: Running, user: User, rules: Rules, create: CreateLead
) -> None:
    broken = await rules.active(user, action("return", reason="无法联系"))
    sound = await rules.active(user, action("update", source="x"))
    run = Runner.run

    async def crashes(runner: Runner, compiled: object, occasion: object) -> None:
        if str(compiled.rule.id) == broken.id:  # type: ignore[attr-defined]
            raise CrashError
        await run(runner, compiled, occasion)  # type: ignore[arg-type]

    monkeypatch.setattr(Runner, "run", crashes)
    await create()
    event = await created(sales, user)
    with pytest.raises(CrashError):
        await sales.service.automation.apply(event)
    assert [each.state for each in await rules.runs_of(user, sound)] == [SUCCEEDED]
    monkeypatch.undo()
    await settled(sales, user.tenant_id)
    assert [len(await rules.runs_of(user, each)) for each in (broken, sound)] == [1, 1]


async def test_a_dead_letter_of_a_rule_is_replayed_by_command(
    monkeypatch: pytest.MonkeyPatch, sales: Running, user: User, rules: Rules, create: CreateLead
) -> None:
    rule = await rules.active(user, action("update", source="x"))
    with monkeypatch.context() as patched:
        patched.setattr(sales.service.automation, "_backoff_seconds", ())

        async def crashes(*_: object) -> None:
            raise CrashError

        patched.setattr(Runner, "run", crashes)
        await create()

        async def is_dead() -> bool:
            async with sales.unit_of_work(user.tenant_id) as work:
                return bool(await work.all(LETTERS))

        await eventually(is_dead)
    fresh = build(settings_of(sales))
    await with_database(fresh, lambda: replay_all_dead_letters(fresh))
    assert [each.state for each in await rules.runs_of(user, rule)] == [SUCCEEDED]
    assert not await is_dead()


def settings_of(sales: Running) -> SalesSettings:
    settings = sales.service.settings
    assert isinstance(settings, SalesSettings)
    return settings
