"""`GET /v1/events` and webhooks of what a collection has as a whole: its jobs and its custom fields."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from crm.customer.v1.accounts_pb2_grpc import AccountServiceStub
from crm.resource.v1 import custom_fields_pb2
from crm_kit.identity.access import Scope
from crm_local.testing import Servers
from google.protobuf.field_mask_pb2 import FieldMask

from tests.service.bulk_changing import Jobs
from tests.service.customer.companies import Company, open_company
from tests.service.customer.customers import new_account, new_contact, renamed
from tests.service.customer.imports.calls import Run
from tests.service.customer.test_field_rights import hide, hiding, holder
from tests.service.customer.webhooks.hooks import Delivery, Hooks
from tests.service.customer.webhooks.receiving import receiving
from tests.service.exporting import Exports
from tests.service.kit.custom_fields import NUMBER, label, new_field, stub_of, update
from tests.service.running import Running, User, refused
from tests.service.streaming import Listening, Read, listening, reading

ENDED = "job.ended"
OF_FIELDS = "custom_field.created,custom_field.updated,custom_field.archived,custom_field.restored,custom_field.retyped"
ROWS = [["客户名称", "邮箱"], ["华信电力", "a@huaxin.example"], ["", "b@huaxin.example"]]


@pytest.fixture(scope="module")
async def gateway(servers: Servers, customer: Running) -> AsyncIterator[Listening]:
    async with listening(servers, customer) as started:
        yield started


@pytest.fixture
async def company(customer: Running) -> Company:
    return await open_company(customer)


@pytest.fixture
async def hooks(customer: Running) -> AsyncIterator[Hooks]:
    async with receiving() as receiver:
        yield await Hooks.of(customer, receiver)


def named(events: Sequence[Read]) -> list[tuple[str, str, list[str]]]:
    return [(each.name, each.data["key"], each.data["changed_fields"]) for each in events]


async def change(customer: Running, by: User, field: custom_fields_pb2.CustomField) -> None:
    """Give a field another label, another type, put it away and bring it back."""
    stub, collection = stub_of(customer), "accounts"
    changed = custom_fields_pb2.CustomField(id=field.id, label=label("another"))
    requests: dict[str, dict[str, Any]] = {
        "Update": {"custom_field": changed, "update_mask": FieldMask(paths=["label"])},
        "Retype": {"id": field.id, "type": NUMBER},
        "Archive": {"id": field.id},
        "Restore": {"id": field.id},
    }
    for verb, fields in requests.items():
        request = getattr(custom_fields_pb2, f"{verb}CustomFieldRequest")(collection=collection, **fields)
        await getattr(stub, f"{verb}CustomField")(request, metadata=by.metadata)


async def test_definitions_and_values_of_custom_fields_are_told_but_for_those_that_are_hidden(
    gateway: Listening, customer: Running, company: Company
) -> None:
    boss = company.admin
    clerk = await holder(company, await hiding(company, "accounts.custom.secret"))
    outsider = await holder(company, await hiding(company, grants={"contacts.read": Scope.ALL}))
    types = f"account.updated,account.archived,{OF_FIELDS}"
    async with (
        reading(gateway, boss, types=types) as all_of_it,
        reading(gateway, clerk, collections="accounts", types=types) as less,
        reading(gateway, outsider, types=f"contact.created,{types}") as nothing,
    ):
        for each in (all_of_it, less, nothing):
            await each.until("ready")
        hidden, shown = [await new_field(customer, boss, key) for key in ("secret", "plain")]
        account = await new_account(customer, boss)
        await update(customer, boss, account.id, secret="7", plain="8")
        for field in (hidden, shown):
            await change(customer, boss, field)
        told = await all_of_it.told(11)
        values = [each for each in told if each.name == "account.updated"]
        assert [each.data["changed_fields"] for each in values] == [["custom.plain", "custom.secret"]]
        assert [each[:2] for each in named([each for each in told if each not in values])] == [
            ("custom_field.created", "secret"),
            ("custom_field.created", "plain"),
            *((f"custom_field.{done}", "secret") for done in ("updated", "retyped", "archived", "restored")),
            *((f"custom_field.{done}", "plain") for done in ("updated", "retyped", "archived", "restored")),
        ]
        seen = await less.told(6)
        (value,) = [each for each in seen if each.name == "account.updated"]
        assert value.data["changed_fields"] == ["custom.plain"]
        assert "secret" not in str(seen)
        assert {each.data["key"] for each in seen if each is not value} == {"plain"}
        archived = next(each for each in seen if each.name == "custom_field.archived")
        assert archived.data | {"id": "", "request_id": "", "time": ""} == {
            "id": "",
            "type": "custom_field.archived",
            "collection": "accounts",
            "custom_field_id": shown.id,
            "version": 4,
            "changed_fields": ["state"],
            "actor_id": str(boss.id),
            "request_id": "",
            "time": "",
            "key": "plain",
            "state": "ARCHIVED",
        }
        # Of accounts they may read nothing: what comes first is of something else.
        await new_contact(customer, boss, account.id)
        assert [each.name for each in await nothing.told(1)] == ["contact.created"]


async def test_the_end_of_a_job_is_told_to_who_may_see_the_job_with_its_counters(
    gateway: Listening, customer: Running, company: Company
) -> None:
    boss, jobs = company.admin, Jobs(customer)
    role = await company.role(accounts_read=Scope.OWN, accounts_write=Scope.OWN)
    rep = company.acting(await company.user(role))
    own = await new_account(customer, rep, industry="steel")
    for _ in range(2):
        await new_account(customer, boss, industry="steel")
    async with (
        reading(gateway, boss, types="job.created,job.started,job.ended", collections="accounts") as all_of_them,
        reading(gateway, rep, types=ENDED) as theirs,
        reading(gateway, boss, record=f"accounts/{own.id}", types="account.updated,job.ended") as of_record,
    ):
        for each in (all_of_them, theirs, of_record):
            await each.until("ready")
        first = await jobs.begin(boss, 'industry = "steel"', 3, industry="power")
        await jobs.ended(boss, first)
        second = await jobs.begin(rep, "", 1, industry="glass")
        await jobs.ended(rep, second)
        export = await Exports(customer).begin(boss, 'industry = "glass"', format=1)
        await jobs.ended(boss, export)
        told = await all_of_them.told(9)
        assert [(each.name, each.data["job_id"]) for each in told] == [
            (f"job.{done}", job.id) for job in (first, second, export) for done in ("created", "started", "ended")
        ]
        assert "glass" not in str(told) and "power" not in str(told)
        ended = told[2].data
        assert {name: ended[name] for name in ("collection", "kind", "verb", "state", "version")} == {
            "collection": "accounts",
            "kind": "BULK_CHANGE",
            "verb": "update",
            "state": "SUCCEEDED",
            "version": ended["version"],
        }
        counters = ("total_count", "done_count", "changed_count", "unchanged_count", "failed_count", "skipped_count")
        assert [ended[name] for name in counters] == [3, 3, 3, 0, 0, 0]
        assert "record_id" not in ended
        assert (told[8].data["kind"], told[8].data["state"], told[8].data["total_count"]) == ("EXPORT", "SUCCEEDED", 1)
        # Who reads their own records only is told of their own job only.
        assert [each.data["job_id"] for each in await theirs.told(1)] == [second.id]
        # A job is at no record.
        assert [each.name for each in await of_record.told(2)] == ["account.updated"] * 2


async def test_the_end_of_an_import_is_told_to_who_began_it_alone_as_that_of_a_job(
    gateway: Listening, customer: Running, company: Company, run: Run
) -> None:
    other = await holder(company, await hiding(company))
    async with (
        reading(gateway, company.admin, types=ENDED) as own,
        reading(gateway, other, types=f"{ENDED},account.updated") as foreign,
    ):
        for each in (own, foreign):
            await each.until("ready")
        job = await run(ROWS, by=company.admin)
        (told,) = await own.told(1)
        assert (told.data["job_id"], told.data["kind"], told.data["state"]) == (job.id, "IMPORT", "SUCCEEDED")
        assert (told.data["total_count"], told.data["changed_count"], told.data["failed_count"]) == (2, 1, 1)
        account = await new_account(customer, company.admin)
        await renamed(AccountServiceStub(customer.channel), company.admin, account.id, "东方能源")
        assert [each.name for each in await foreign.told(1)] == ["account.updated"]


async def test_a_webhook_is_told_that_a_job_has_ended_and_not_how_far_it_is(hooks: Hooks) -> None:
    admin, jobs = hooks.admin, Jobs(hooks.customer)
    await hooks.account()
    endpoint = await hooks.create(collections=[], event_types=["job.ended", "job.created"])
    job = await jobs.begin(admin, "", 1, industry="power")
    await jobs.ended(admin, job)
    messages = await hooks.came(2)
    ended = next(each for each in messages if each.type == ENDED).verified_by(endpoint.secret)["data"]
    assert (ended["job_id"], ended["state"], ended["changed_count"]) == (job.id, "SUCCEEDED", 1)
    (noted, _) = await hooks.noted(job.id, 2)
    assert (noted.collection, noted.record_id) == ("accounts", job.id)
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT"):
        await hooks.create(collections=[], event_types=["job.advanced"])


async def test_a_webhook_is_not_told_of_a_custom_field_that_its_activator_does_not_see(
    customer: Running, company: Company
) -> None:
    async with receiving() as receiver:
        hooks = Hooks(customer, receiver, company.admin)
        grants = dict.fromkeys(("accounts.read", "accounts.read_restricted", "webhooks.write"), Scope.ALL)
        role = await hiding(company, "accounts.custom.secret", grants=grants)
        clerk = await holder(company, role)
        endpoint = await hooks.create(by=clerk)
        hidden = await new_field(customer, company.admin, "secret")
        shown = await new_field(customer, company.admin, "plain")
        (message,) = await hooks.came(1)
        await hooks.skipped(hidden.id)
        data = message.verified_by(endpoint.secret)["data"]
        assert (data["custom_field_id"], data["key"], data["state"]) == (shown.id, "plain", "ACTIVE")
        # The endpoint goes on: what is shown again is told.
        await hide(company, role)
        (delivery,) = await hooks.noted(hidden.id)
        await hooks.redeliver(delivery)
        assert [each.said["data"]["key"] for each in await hooks.came(2)] == ["plain", "secret"]
        assert len(await hooks.in_state(Delivery.STATE_SUCCEEDED, 2)) == 2
