"""Automation rules written, changed and put away through their contract, and over REST."""

import asyncio
from typing import Any

import pytest
from crm.resource.v1 import custom_fields_pb2
from crm_kit.automation_rules import commands
from crm_kit.ids import new_id

from tests.service.automating import Rule, Rules, action, on, settled
from tests.service.kit.custom_fields import NUMBER, REFERENCE, new_field, stub_of
from tests.service.running import Running, User, refused
from tests.service.sales.conftest import CreateLead
from tests.service.web import bearer, gateway

UPDATE = action("update", source="x")


@pytest.fixture
def rules(sales: Running) -> Rules:
    return Rules(sales.channel, "leads")


async def test_a_rule_is_created_activated_stopped_put_away_and_brought_back(user: User, rules: Rules) -> None:
    rule = await rules.create(user, UPDATE)
    assert (rule.collection, rule.state, rule.activator_id) == ("leads", Rule.STATE_DRAFT, "")
    assert await rules.listed(user) == [rule] == [await rules.get(user, rule)]
    active = await rules.does("Activate", user, rule, etag=rule.etag)
    assert (active.state, active.activator_id, active.activator_name) == (Rule.STATE_ACTIVE, str(user.id), "somebody")
    with refused("ABORTED", "ETAG_MISMATCH"):
        await rules.does("Deactivate", user, rule, etag=rule.etag)
    with refused("FAILED_PRECONDITION", "ILLEGAL_STATE"):
        await rules.does("Activate", user, active)
    stopped = await rules.does("Deactivate", user, rule)
    assert (stopped.state, stopped.stop_reason) == (Rule.STATE_INACTIVE, Rule.STOP_REASON_DEACTIVATED)
    with refused("FAILED_PRECONDITION", "ILLEGAL_STATE"):
        await rules.does("Deactivate", user, rule)
    archived = await rules.does("Archive", user, await rules.does("Activate", user, stopped))
    assert (archived.state, archived.stop_reason) == (Rule.STATE_ARCHIVED, Rule.STOP_REASON_DEACTIVATED)
    assert await rules.listed(user) == []
    assert await rules.listed(user, filter="state = ARCHIVED") == [archived]
    for verb in ("Activate", "Archive"):
        with refused("FAILED_PRECONDITION", "ILLEGAL_STATE"):
            await rules.does(verb, user, archived)
    archived.display_name = "x"
    with refused("FAILED_PRECONDITION", "ILLEGAL_STATE"):
        await rules.update(user, archived, "display_name")
    assert (await rules.does("Restore", user, rule)).state == Rule.STATE_INACTIVE
    draft = await rules.create(user, UPDATE)
    await rules.does("Archive", user, draft)
    assert (await rules.does("Restore", user, draft)).state == Rule.STATE_DRAFT


@pytest.mark.parametrize(
    ("fields", "reason", "place"),
    [
        ({"trigger": on("CREATED", "BOUGHT")}, "INVALID_ARGUMENT", "trigger.events[1]"),
        ({"trigger": on("CREATED", changed=("source",))}, "INVALID_ARGUMENT", "trigger.changed_fields"),
        ({"trigger": on("UPDATED", changed=("source", "colour"))}, "INVALID_ARGUMENT", "trigger.changed_fields[1]"),
        ({"trigger": on("UPDATED", changed=("custom.none",))}, "INVALID_ARGUMENT", "trigger.changed_fields[0]"),
        ({"filter": "colour = red"}, "INVALID_FILTER", "filter"),
        ({"filter": "state = SOLD"}, "INVALID_FILTER", "filter"),
        ({"filter": "custom.none = 1"}, "INVALID_FILTER", "filter"),
        ({"trigger": on("UPDATED"), "filter_before": "source ="}, "INVALID_FILTER", "filter_before"),
        ({"filter_before": "source = x"}, "INVALID_ARGUMENT", "filter_before"),
        ({"trigger": on("UPDATED"), "filter_before": "in_pool = true"}, "INVALID_ARGUMENT", "filter_before"),
        ({"filter": 'id = "01890a5d-ac96-774b-bcce-b302099a8057"'}, "INVALID_ARGUMENT", "filter"),
    ],
)
async def test_a_trigger_or_filter_that_the_collection_does_not_have_is_refused_by_name(
    user: User, rules: Rules, fields: dict[str, Any], reason: str, place: str
) -> None:
    with refused("INVALID_ARGUMENT", reason) as refusal:
        await rules.create(user, UPDATE, **fields)
    assert refusal.fields == [f"automation_rule.{place}"], refusal.detail


@pytest.mark.parametrize(
    ("verb", "request_", "place", "told"),
    [
        ("sell", {}, "verb", "assign, disqualify, qualify, return, update"),
        ("convert", {}, "verb", "must be one of"),
        ("update", {}, "request", "an update changes a field at least"),
        ("update", {"description": "长" * 3000}, "request", "is larger than 8192 bytes"),
        ("update", {"colour": "red"}, "request.colour", "there is no such field"),
        (
            "update",
            {"colour": "{{record.source}}"},
            "request.colour",
            "expected one of campaign, company_name, custom, ",
        ),
        ("update", {"custom": {"priority": "high"}}, "request.custom.priority", "the collection has no custom fields"),
        (
            "update",
            {"state": "{{record.state}}"},
            "request.state",
            "it is changed only by :recordFollowUp, :qualify, :disqualify, :convert",
        ),
        ("update", {"source": "{{record.source}}", "source_of": "x"}, "request.source_of", "there is no such field"),
        ("update", {"source": ["x"]}, "request.source", "is not a value"),
        ("update", {"source": "x" * 201}, "request.source", "must be at most"),
        ("update", {"display_name": None}, "request.display_name", "required"),
        (
            "update",
            {"state": "QUALIFIED"},
            "request.state",
            "it is changed only by :recordFollowUp, :qualify, :disqualify, :convert",
        ),
        ("update", {"owner_id": str(new_id())}, "request.owner_id", "cannot be set here"),
        ("update", {"create_time": "2026-01-31T08:00:00Z"}, "request.create_time", "cannot be set here"),
        ("update", {"id": str(new_id())}, "request.id", "there is no such field"),
        ("assign", {"owner_id": "somebody"}, "request.owner_id", "UUID"),
        ("assign", {}, "request.owner_id", "required"),
        ("assign", {"etag": "v1"}, "request.etag", "expected one of owner_id"),
        ("update", {"source": "{{record.colour}}"}, "request.source", "{{record.display_name}}"),
        ("update", {"source": "{{now}}"}, "request.source", "must be one of"),
        ("update", {"source": "a {{record.source"}, "request.source", "must be one of"),
        ("update", {"source": "{{record.custom}}"}, "request.source", "must be one of"),
    ],
)
async def test_an_action_that_could_never_be_done_is_refused_by_name(
    user: User, rules: Rules, verb: str, request_: dict[str, Any], place: str, told: str
) -> None:
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
        await rules.create(user, UPDATE, action(verb, **request_))
    assert refusal.fields == [f"automation_rule.actions[1].{place}"], refusal.detail
    assert told in refusal.detail


async def test_custom_fields_that_an_action_sets_are_there_and_name_nothing_of_another_service(
    sales: Running, user: User, rules: Rules
) -> None:
    await new_field(sales, user, "partner", REFERENCE, collection="leads", reference_collection="accounts")
    await new_field(sales, user, "helper", REFERENCE, collection="leads", reference_collection="users")
    for key in ("partner", "none"):
        with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
            await rules.create(user, action("update", custom={"helper": str(user.id), key: None}))
        assert refusal.fields == [f"automation_rule.actions[0].request.custom.{key}"]
    await rules.create(user, action("update", custom={"helper": "{{record.owner_id}}"}))


async def test_values_of_the_record_are_held_against_the_types_of_what_they_fill(user: User, rules: Rules) -> None:
    await rules.create(user, action("assign", owner_id="{{record.former_owner_id}}"))
    await rules.create(user, action("update", display_name="{{record.company_name}}"))
    opportunities = Rules(rules.channel, "opportunities")
    await opportunities.create(user, action("update", amount="{{record.amount}}"))
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
        await opportunities.create(user, action("update", amount="{{record.display_name}}"))
    assert refusal.fields == ["automation_rule.actions[0].request.amount"]


async def test_what_was_sound_once_is_held_against_what_there_is_when_it_is_activated(
    sales: Running, user: User, rules: Rules, create: CreateLead
) -> None:
    field = await new_field(sales, user, "fleet", NUMBER, collection="leads")
    rule = await rules.create(user, UPDATE, filter="custom.fleet > 1")
    active = await rules.active(user, UPDATE, filter="custom.fleet > 1 OR source = y")
    archive: Any = stub_of(sales).ArchiveCustomField
    await archive(custom_fields_pb2.ArchiveCustomFieldRequest(collection="leads", id=field.id), metadata=user.metadata)
    with refused("INVALID_ARGUMENT", "INVALID_FILTER"):
        await rules.does("Activate", user, rule)
    await create(source="y")
    await settled(sales, user.tenant_id)
    (run,) = await rules.ran(user, active)
    assert (run.reason, list(run.effects)) == ("INVALID_FILTER", [])


async def test_so_many_rules_are_active_and_no_more_however_many_are_activated_at_once(
    monkeypatch: pytest.MonkeyPatch, user: User, rules: Rules
) -> None:
    monkeypatch.setattr(commands, "MAX_ACTIVE", 2)
    drafts = [await rules.create(user, UPDATE) for _ in range(5)]
    ends = await asyncio.gather(*(rules.does("Activate", user, each) for each in drafts), return_exceptions=True)
    assert len([each for each in ends if isinstance(each, Rule)]) == 2
    draft = next(each for each, end in zip(drafts, ends, strict=True) if not isinstance(end, Rule))
    with refused("FAILED_PRECONDITION", "AUTOMATION_RULE_LIMIT_REACHED"):
        await rules.does("Activate", user, draft)
    assert (await Rules(rules.channel, "orders").active(user, action("cancel", reason="x"))).state == Rule.STATE_ACTIVE


async def test_active_rules_say_so_much_together_and_no_more_however_many_are_activated_at_once(
    monkeypatch: pytest.MonkeyPatch, user: User, rules: Rules
) -> None:
    monkeypatch.setattr(commands, "MAX_ACTIVE_BYTES", 5_000)
    large = action("update", description="长" * 500)
    drafts = [await rules.create(user, large) for _ in range(5)]
    ends = await asyncio.gather(*(rules.does("Activate", user, each) for each in drafts), return_exceptions=True)
    active = [each for each in ends if isinstance(each, Rule)]
    assert len(active) == 3
    draft = next(each for each, end in zip(drafts, ends, strict=True) if not isinstance(end, Rule))
    with refused("FAILED_PRECONDITION", "AUTOMATION_RULE_LIMIT_REACHED") as refusal:
        await rules.does("Activate", user, draft)
    told = refusal.metadata
    assert (told["rule"], told["collection"], told["max_bytes"]) == ("bytes", "leads", "5000")
    assert int(told["bytes"]) > 5_000
    compared = await rules.create(user, UPDATE, filter=f'company_name = "{"长" * 500}"')
    with refused("FAILED_PRECONDITION", "AUTOMATION_RULE_LIMIT_REACHED"):
        await rules.does("Activate", user, compared)
    assert (await Rules(rules.channel, "orders").active(user, action("cancel", reason="x"))).state == Rule.STATE_ACTIVE
    await rules.does("Deactivate", user, active[0])
    assert (await rules.does("Activate", user, draft)).state == Rule.STATE_ACTIVE


async def test_rules_of_other_collections_and_tenants_are_not_there(sales: Running, user: User, rules: Rules) -> None:
    rule = await rules.create(user, UPDATE)
    with refused("NOT_FOUND", "AUTOMATION_RULE_NOT_FOUND"):
        await Rules(sales.channel, "orders").get(user, rule)
    with refused("NOT_FOUND", "AUTOMATION_RULE_NOT_FOUND"):
        await rules.get(await sales.user(), rule)
    with refused("NOT_FOUND", "COLLECTION_NOT_FOUND"):
        await Rules(sales.channel, "pools").create(user, UPDATE)


async def test_a_front_end_writes_a_rule_as_it_would_send_the_calls_and_reads_what_it_did(
    sales: Running, user: User
) -> None:
    headers, path = bearer(user) | {"accept-language": "zh"}, "/v1/automation-rules/leads"
    told = {
        "display_name": "展会线索",
        "trigger": {"events": ["CREATED"]},
        "filter": "source = 展会",
        "actions": [{"verb": "update", "request": {"campaign": "{{record.source}} 2026", "job_title": None}}],
    }
    async with gateway(sales) as web:
        made = await web.post(path, json=told, headers=headers)
        assert made.status_code == 201, made.text
        rule = made.json()
        assert (rule["state"], rule["stop_reason"]) == ("DRAFT", None)
        said = [{name: value for name, value in each.items() if value is not None} for each in rule["actions"]]
        assert said == told["actions"]
        one = f"{path}/{rule['id']}"
        unseen = await web.post(f"{one}:activate", json={}, headers=headers)
        assert (unseen.status_code, unseen.json()["errors"][0]["field"]) == (422, "etag"), unseen.text
        seen = headers | {"if-match": made.headers["etag"]}
        activated = await web.post(f"{one}:activate", json={}, headers=seen)
        assert activated.json()["state"] == "ACTIVE", activated.text
        lead = await web.post("/v1/leads", json={"display_name": "王伟", "source": "展会"}, headers=headers)
        await settled(sales, user.tenant_id)
        assert (await web.get(f"/v1/leads/{lead.json()['id']}", headers=headers)).json()["campaign"] == "展会 2026"
        runs = (await web.get("/v1/automation-runs/leads", headers=headers)).json()["automation_runs"]
        assert [(each["state"], each["reason"], each["failed_action"]) for each in runs] == [("SUCCEEDED", None, 0)]
        sent_back = await web.patch(one, json=activated.json(), headers=headers)
        assert sent_back.json()["state"] == "ACTIVE", sent_back.text
        wrong = await web.patch(one, json={"actions": [{"verb": "fly"}]}, headers=headers)
        (error,) = wrong.json()["errors"]
        assert (wrong.status_code, error["field"], error["rule"]) == (422, "actions[0].verb", "string.in")
        assert "update" in error["detail"]
        again = await web.post(f"{one}:activate", json={"etag": activated.json()["etag"]}, headers=headers)
        assert (again.status_code, again.json()["reason"]) == (409, "ILLEGAL_STATE"), again.text
        assert "启用" in again.json()["detail"]
