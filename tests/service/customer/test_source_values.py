"""What several sources say of accounts and contacts, side by side with what the record has, and adopted from there."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from crm.customer.v1 import contacts_pb2, events_pb2
from crm_customer.records.accounts.commands import update_account
from crm_customer.records.accounts.resource import ACCOUNTS
from crm_kit.errors import Conflict
from crm_kit.identity.access import READ_RESTRICTED, Scope
from crm_kit.ids import new_id

from tests.service.customer.customers import new_account, new_contact
from tests.service.customer.told import told_of
from tests.service.running import Running, User
from tests.service.web import bearer, gateway

PHONE, OTHER_PHONE = "+8613800138000", "+8613900139000"
READER = {"accounts.read": Scope.ALL, "contacts.read": Scope.ALL}


@pytest.fixture
async def user(customer: Running) -> User:
    return await customer.user(await customer.tenant(sandbox=True))


@pytest.fixture
async def web(customer: Running) -> AsyncIterator[httpx.AsyncClient]:
    async with gateway(customer) as client:
        yield client


class Asking:
    """One record over REST, by one user."""

    def __init__(self, web: httpx.AsyncClient, user: User, id: str, collection: str = "accounts") -> None:
        self.web, self.user, self.path = web, user, f"/v1/{collection}/{id}"

    def by(self, user: User) -> "Asking":
        other = Asking(self.web, user, "")
        other.path = self.path
        return other

    async def send(self, source: str, values: dict[str, Any], **more: str) -> httpx.Response:
        content = {"source": source, "values": values, **more}
        return await self.web.post(f"{self.path}/source-values", json=content, headers=bearer(self.user))

    async def say(self, source: str, values: dict[str, Any], **more: str) -> list[dict[str, Any]]:
        answer = await self.send(source, values, **more)
        assert answer.status_code == 200, answer.text
        said: list[dict[str, Any]] = answer.json()["source_values"]
        return said

    async def said(self) -> list[dict[str, Any]]:
        answer = await self.web.get(f"{self.path}/source-values", headers=bearer(self.user))
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()["source_values"]
        return found

    async def withdraw(self, id: str) -> httpx.Response:
        return await self.web.delete(f"{self.path}/source-values/{id}", headers=bearer(self.user))

    async def adopt(self, id: str, **headers: str) -> httpx.Response:
        content = {"source_value_id": id}
        return await self.web.post(
            f"{self.path}:adoptSourceValue", json=content, headers={**bearer(self.user), **headers}
        )

    async def update(self, **values: Any) -> dict[str, Any]:
        answer = await self.web.patch(self.path, json=values, headers=bearer(self.user))
        assert answer.status_code == 200, answer.text
        changed: dict[str, Any] = answer.json()
        return changed

    async def read(self) -> dict[str, Any]:
        record: dict[str, Any] = (await self.web.get(self.path, headers=bearer(self.user))).json()
        return record

    async def quality(self) -> tuple[dict[str, str], list[tuple[Any, ...]]]:
        """How each field stands, and what sources say otherwise."""
        answer = await self.web.get(f"{self.path}/quality", headers=bearer(self.user))
        told = answer.json()
        return {each["field"]: each["standing"] for each in told["fields"]}, briefly(told["source_values"])


def briefly(values: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return [(each["field"], each["source"], each["value"], each["agrees"]) for each in values]


async def test_what_sources_say_stands_side_by_side_and_is_compared_after_normalisation(
    customer: Running, user: User, web: httpx.AsyncClient
) -> None:
    account = await new_account(customer, user, industry="Power", phone_numbers=[PHONE, OTHER_PHONE], region_code="CN")
    asking = Asking(web, user, account.id)
    await asking.say("sap", {"industry": "ＰＯＷＥＲ", "phone_numbers": ["138 0013 8000"]}, proof="nightly")
    said = await asking.say("register", {"industry": "steel", "employee_count": 300})
    assert briefly(said) == [
        ("employee_count", "register", 300.0, False),
        ("industry", "register", "steel", False),
        ("industry", "sap", "ＰＯＷＥＲ", True),
        ("phone_numbers", "sap", [PHONE], True),
    ]
    assert (said[3]["proof"], said[3]["user_id"], said[3]["user_name"]) == ("nightly", str(user.id), "somebody")
    assert said == await asking.said()
    record = await asking.read()
    assert record["conflicting_fields"] == ["employee_count", "industry"]
    assert (record["industry"], record["phone_numbers"], record["employee_count"]) == (
        "Power",
        [PHONE, OTHER_PHONE],
        None,
    )


async def test_the_newest_of_a_source_stands_and_what_comes_late_changes_nothing(
    customer: Running, user: User, web: httpx.AsyncClient
) -> None:
    asking = Asking(web, user, (await new_account(customer, user, industry="steel")).id)
    march, may = "2026-03-01T00:00:00Z", "2026-05-01T00:00:00Z"
    (first,) = await asking.say("sap", {"industry": "power"}, observed_time=may)
    (late,) = await asking.say("sap", {"industry": "oil"}, observed_time=march)
    assert late == first
    (newer,) = await asking.say("sap", {"industry": "steel"})
    assert (newer["id"], newer["value"], newer["agrees"]) == (first["id"], "steel", True)
    assert (await asking.read())["conflicting_fields"] == []
    ahead = (datetime.fromisoformat(first["state_time"]) + timedelta(days=5000)).isoformat()
    refused = await asking.send("sap", {"industry": "power"}, observed_time=ahead)
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "observed_time")


async def test_a_record_that_changes_agrees_or_disagrees_with_its_sources_at_once(
    customer: Running, user: User, web: httpx.AsyncClient
) -> None:
    asking = Asking(web, user, (await new_account(customer, user, industry="power")).id)
    await asking.say("sap", {"industry": "steel"})
    assert (await asking.update(industry="STEEL"))["conflicting_fields"] == []
    assert (await asking.update(website="https://huaxin.example"))["conflicting_fields"] == []
    assert (await asking.update(industry=None))["conflicting_fields"] == ["industry"]
    changes = (await web.get(f"{asking.path}/changes", headers=bearer(user))).json()["changes"]
    named = [(each["action"], sorted(field["field"] for field in each["fields"])) for each in changes]
    assert named == [
        ("UPDATED", ["conflicting_fields", "industry"]),
        ("UPDATED", ["website"]),
        ("UPDATED", ["conflicting_fields", "industry"]),
        ("SOURCES_CHANGED", ["conflicting_fields"]),
        ("CREATED", []),
    ]
    told = [type(each) for each in await told_of(customer, user.tenant_id, asking.path.rpartition("/")[2])]
    assert told[1] is events_pb2.AccountSourcesChanged


async def test_records_that_sources_disagree_about_are_listed_to_be_completed(
    customer: Running, user: User, web: httpx.AsyncClient
) -> None:
    made = [await new_account(customer, user, industry="power") for _ in range(3)]
    await Asking(web, user, made[0].id).say("sap", {"industry": "steel"})
    await Asking(web, user, made[1].id).say("sap", {"industry": "power"})
    await Asking(web, user, made[2].id).say("sap", {"website": "https://huaxin.example"})

    async def found(filter: str) -> list[str]:
        answer = await web.get("/v1/accounts", params={"filter": filter}, headers=bearer(user))
        assert answer.status_code == 200, answer.text
        return [each["id"] for each in answer.json()["accounts"]]

    assert await found("conflicting_fields:industry") == [made[0].id]
    assert await found("conflicting_fields:*") == [made[2].id, made[0].id]


async def test_a_source_value_is_adopted_by_the_usual_update_and_becomes_a_confirmation(
    customer: Running, user: User, web: httpx.AsyncClient
) -> None:
    account = await new_account(customer, user, industry="power", phone_numbers=[PHONE, OTHER_PHONE])
    asking = Asking(web, user, account.id)
    said = await asking.say("register", {"industry": "steel", "phone_numbers": [PHONE]}, proof="extract of 12 March")
    (industry, phones) = (each["id"] for each in said)
    stale = await asking.adopt(industry, **{"If-Match": f'"{account.etag}"'})
    assert (stale.status_code, stale.json()["reason"]) == (412, "ETAG_MISMATCH")
    adopted = (await asking.adopt(industry)).json()
    assert (adopted["industry"], adopted["conflicting_fields"]) == ("steel", [])
    (check,) = adopted["field_checks"]
    assert (check["field"], check["source"], check["proof"]) == ("industry", "register", "extract of 12 March")
    assert check["checker_id"] == str(user.id)
    # It has that number already, and keeps the other one.
    confirmed = (await asking.adopt(phones)).json()
    assert confirmed["phone_numbers"] == [PHONE, OTHER_PHONE]
    assert [each["field"] for each in confirmed["field_checks"]] == ["industry", "phone_numbers"]
    changes = (await web.get(f"{asking.path}/changes", headers=bearer(user))).json()["changes"]
    assert [each["action"] for each in changes] == ["FIELDS_CONFIRMED", "UPDATED", "SOURCES_CHANGED", "CREATED"]
    (by_update,) = (each for each in changes if each["action"] == "UPDATED")
    checks = next(each["new_value"] for each in by_update["fields"] if each["field"] == "field_checks")
    assert checks[0]["source"] == "register"
    unknown = await asking.adopt(str(new_id()))
    assert (unknown.status_code, unknown.json()["reason"]) == (404, "SOURCE_VALUE_NOT_FOUND")


async def test_the_quality_of_a_record_tells_field_by_field_what_sources_say_otherwise(
    customer: Running, user: User, web: httpx.AsyncClient
) -> None:
    asking = Asking(web, user, (await new_account(customer, user, industry="power")).id)
    await asking.say("sap", {"industry": "power", "website": "https://huaxin.example"})
    await asking.say("register", {"industry": "steel"})
    stands, otherwise = await asking.quality()
    assert stands == {"industry": "DISAGREES", "website": "MISSING"}
    assert otherwise == [
        ("industry", "register", "steel", False),
        ("website", "sap", "https://huaxin.example", False),
    ]


async def test_who_told_us_or_may_write_the_record_withdraws_and_it_does_not_come_back_by_itself(
    customer: Running, user: User, web: httpx.AsyncClient
) -> None:
    asking = Asking(web, user, (await new_account(customer, user, industry="power")).id)
    reader = await customer.user(user.tenant_id, grants=READER)
    writer = await customer.user(user.tenant_id)
    (value,) = await asking.say("sap", {"industry": "steel"}, observed_time="2026-05-01T00:00:00Z")
    denied = await asking.by(reader).withdraw(value["id"])
    assert (denied.status_code, denied.json()["reason"]) == (403, "PERMISSION_DENIED")
    assert (await asking.by(writer).withdraw(value["id"])).status_code == 204
    assert await asking.said() == []
    assert (await asking.read())["conflicting_fields"] == []
    again = await asking.withdraw(value["id"])
    assert (again.status_code, again.json()["reason"]) == (404, "SOURCE_VALUE_NOT_FOUND")
    assert await asking.say("sap", {"industry": "steel"}, observed_time="2026-04-01T00:00:00Z") == []
    assert len(await asking.say("sap", {"industry": "oil"})) == 1


async def test_only_what_an_update_would_take_is_said_and_only_by_who_may_write_the_record(
    customer: Running, user: User, web: httpx.AsyncClient
) -> None:
    account, other = await new_account(customer, user), await new_account(customer, user)
    asking = Asking(web, user, account.id)
    for values, field in (
        ({"parent_id": other.id}, "values.parent_id"),
        ({"owner_id": str(user.id)}, "values.owner_id"),
        ({"consents": [{"channel": "SMS", "state": "GRANTED"}]}, "values.consents"),
        ({"status": "LOST"}, "values.status"),
        ({"completeness": 100}, "values.completeness"),
        ({"nothing": "x"}, "values.nothing"),
        ({"industry": None}, "values.industry"),
        ({"tags": []}, "values.tags"),
        ({"custom.nothing": "x"}, "values.custom.nothing"),
        ({"employee_count": "many"}, "values.employee_count"),
        ({"phone_numbers": ["1"]}, "values.phone_numbers[0]"),
        ({"credit_code": "91350100M000100Y44"}, "values.credit_code"),
    ):
        refused = await asking.send("sap", values)
        assert (refused.status_code, refused.json()["reason"]) == (422, "INVALID_ARGUMENT"), (values, refused.text)
        assert [each["field"] for each in refused.json()["errors"]] == [field], refused.text
    reader = await customer.user(user.tenant_id, grants=READER)
    assert (await asking.by(reader).send("sap", {"industry": "steel"})).status_code == 403
    await web.post(f"{asking.path}:archive", json={}, headers=bearer(user))
    archived = await asking.send("sap", {"industry": "steel"})
    assert (archived.status_code, archived.json()["reason"]) == (409, "ILLEGAL_STATE")
    assert await asking.said() == []


async def test_contacts_and_the_tenants_own_fields_have_sources_as_accounts_do(
    customer: Running, user: User, web: httpx.AsyncClient
) -> None:
    field = {"key": "floor", "label": {"zh": "楼层"}, "type": "TEXT"}
    made = await web.post("/v1/custom-fields/contacts", json=field, headers=bearer(user))
    assert made.status_code == 201, made.text
    account = await new_account(customer, user)
    contact = await new_contact(customer, user, account.id, job_title="CFO")
    asking = Asking(web, user, contact.id, "contacts")
    said = await asking.say("business card", {"job_title": "CEO", "custom.floor": "12"})
    assert briefly(said) == [
        ("custom.floor", "business card", "12", False),
        ("job_title", "business card", "CEO", False),
    ]
    assert (await asking.read())["conflicting_fields"] == ["custom.floor", "job_title"]
    assert (await asking.update(custom={"floor": "12"}))["conflicting_fields"] == ["job_title"]
    assert await asking.quality() == ({"job_title": "DISAGREES"}, [("job_title", "business card", "CEO", False)])
    adopted = (await asking.adopt(said[1]["id"])).json()
    assert (adopted["job_title"], adopted["conflicting_fields"]) == ("CEO", [])
    refused = await asking.send("card", {"accounts": [{"account_id": account.id}]})
    assert refused.json()["errors"][0]["field"] == "values.accounts"
    (event,) = (
        each
        for each in await told_of(customer, user.tenant_id, contact.id)
        if isinstance(each, events_pb2.ContactSourcesChanged)
    )
    assert isinstance(event.contact, contacts_pb2.Contact)


async def test_who_does_not_see_a_field_sees_nothing_of_its_sources(
    customer: Running, user: User, web: httpx.AsyncClient
) -> None:
    asking = Asking(web, user, (await new_account(customer, user, industry="power", website="https://a.example")).id)
    said = await asking.say("sap", {"industry": "steel", "website": "https://b.example"})
    blind = asking.by(await customer.user(user.tenant_id, hidden_fields=["accounts.industry"]))
    assert [each["field"] for each in await blind.said()] == ["website"]
    assert (await blind.read())["conflicting_fields"] == ["website"]
    assert await blind.quality() == ({"website": "DISAGREES"}, [("website", "sap", "https://b.example", False)])
    for answer in (await blind.withdraw(said[0]["id"]), await blind.adopt(said[0]["id"])):
        assert (answer.status_code, answer.json()["reason"]) == (404, "SOURCE_VALUE_NOT_FOUND")
    refused = await blind.send("sap", {"industry": "oil"})
    assert (refused.status_code, refused.json()["errors"][0]["rule"]) == (422, "hidden_field")
    for filter in ("conflicting_fields:industry", "conflicting_fields:*"):
        answer = await web.get("/v1/accounts", params={"filter": filter}, headers=bearer(blind.user))
        assert (answer.status_code, answer.json()["reason"]) == (422, "INVALID_FILTER")


async def test_sources_of_a_restricted_account_are_closed_to_whom_it_is_closed(
    customer: Running, user: User, web: httpx.AsyncClient
) -> None:
    asking = Asking(web, user, (await new_account(customer, user)).id)
    (value,) = await asking.say("sap", {"industry": "steel"})
    await web.post(f"{asking.path}:restrict", json={"reason": "negotiation"}, headers=bearer(user))
    grants = dict.fromkeys(("accounts.read", "accounts.write"), Scope.ALL)
    outside = asking.by(await customer.user(user.tenant_id, grants=grants))
    reader = asking.by(await customer.user(user.tenant_id, grants={**READER, READ_RESTRICTED: Scope.ALL}))
    assert len(await reader.said()) == 1
    log = (await web.get(f"{asking.path}/reads", headers=bearer(user))).json()["reads"]
    assert str(reader.user.id) in {each["user_id"] for each in log}
    answers = [
        await web.get(f"{asking.path}/source-values", headers=bearer(outside.user)),
        await outside.send("sap", {"industry": "oil"}),
        await outside.adopt(value["id"]),
        await outside.withdraw(value["id"]),
    ]
    assert {each.json()["reason"] for each in answers} == {"ACCOUNT_RESTRICTED"}
    assert "conflicting_fields" not in str({key: each for key, each in (await outside.read()).items() if each})


async def test_many_who_say_something_at_the_same_time_are_all_heard(
    customer: Running, user: User, web: httpx.AsyncClient
) -> None:
    asking = Asking(web, user, (await new_account(customer, user, industry="power")).id)
    fields = ("industry", "website", "short_name", "preferences")
    saying = [asking.send(f"source {at}", {field: f"https://{at}.example"}) for at in range(3) for field in fields]
    assert {each.status_code for each in await asyncio.gather(*saying)} == {200}
    assert len(await asking.said()) == 12
    assert (await asking.read())["conflicting_fields"] == sorted(fields)


async def test_who_writes_a_record_while_a_source_speaks_of_it_first_reads_it_again(
    customer: Running, user: User, web: httpx.AsyncClient
) -> None:
    asking = Asking(web, user, (await new_account(customer, user, industry="power")).id)
    id = UUID(asking.path.rpartition("/")[2])
    with pytest.raises(Conflict):
        async with customer.unit_of_work(user.tenant_id) as work:
            before = await ACCOUNTS.get(work, id)
            await update_account(work, before, {"industry": "steel"})
            await asking.say("sap", {"industry": "steel"})
    assert (await asking.read())["conflicting_fields"] == ["industry"]
    # Once sources speak of the field, they are compared with what is written, whoever comes first.
    async with customer.unit_of_work(user.tenant_id) as work:
        before = await ACCOUNTS.get(work, id)
        await asking.say("sap", {"industry": "oil"})
        await update_account(work, before, {"industry": "oil"})
    assert (await asking.read())["conflicting_fields"] == []


async def test_an_adoption_that_the_record_refuses_changes_nothing(
    customer: Running, user: User, web: httpx.AsyncClient
) -> None:
    field = {"key": "contract_no", "label": {"zh": "合同号"}, "type": "TEXT", "unique": True}
    assert (await web.post("/v1/custom-fields/accounts", json=field, headers=bearer(user))).status_code == 201
    asking = Asking(web, user, (await new_account(customer, user)).id)
    (value,) = await asking.say("sap", {"custom.contract_no": "A-1"})
    other = Asking(web, user, (await new_account(customer, user)).id)
    await other.update(custom={"contract_no": "A-1"})
    refused = await asking.adopt(value["id"])
    assert refused.status_code == 409, refused.text
    assert (await asking.read())["custom"].get("contract_no") is None
