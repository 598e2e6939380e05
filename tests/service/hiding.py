"""Two worlds that differ in what is hidden of one record, and in nothing else; and all that can be asked of either."""

import re
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import grpc
from crm.customer.v1 import accounts_pb2, contacts_pb2, interactions_pb2
from crm.customer.v1.quality_rules_pb2 import CreateQualityRuleRequest
from crm.sales.v1 import leads_pb2, opportunities_pb2, orders_pb2, payments_pb2
from crm.scoring.v1.events_pb2 import AccountScoresUpdated
from crm.service_desk.v1 import cases_pb2
from crm_customer.records.account_kinds import ValueTier as Tier
from crm_customer.records.accounts.credit_code import check_character
from crm_customer.records.accounts.projections import project_last_contact, project_value_tier
from crm_gateway.contract import Rpc
from crm_kit.field_rights import hideable
from crm_kit.identity.access import Scope
from crm_kit.money import Money
from crm_kit.rpc.status import DETAILS_KEY
from crm_scoring.scores.model import RfmScore, ValueTierScore
from crm_scoring.scores.resource import SCORES
from crm_scoring.scores.rfm import RfmSegment
from crm_scoring.scores.value_tier import ValueTier
from google.protobuf.json_format import ParseDict
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.protobuf.text_format import MessageToString
from google.rpc.status_pb2 import Status

from tests.factories.messages import put_id
from tests.factories.places import RPCS, WITH_CUSTOM_FIELDS, paths_of
from tests.service.examples import EXAMPLES, World, needed_kind
from tests.service.running import User

KEY = "secret"
NUMBERS = (0, 1, 2, 3)
# What the values are in the end, on either side.
LATER = NUMBERS[2:]
BODIES = tuple(f"9144030012345678{number}" for number in NUMBERS)
RESOURCES: Mapping[str, Any] = {
    "accounts": accounts_pb2.Account,
    "contacts": contacts_pb2.Contact,
    "interactions": interactions_pb2.Interaction,
    "leads": leads_pb2.Lead,
    "opportunities": opportunities_pb2.Opportunity,
    "orders": orders_pb2.Order,
    "payments": payments_pb2.Payment,
    "cases": cases_pb2.Case,
}
# What follows from hidden fields, or speaks of them, in the collections whose quality is kept.
TELLING = ("completeness", "next_stale_time", "missing_fields", "field_checks", "conflicting_fields")
ASSESSED = frozenset({"accounts", "contacts"})
# Of either side a hidden field without a value, and one that was confirmed.
EMPTIED = {"accounts": ("preferences", "taboos"), "contacts": ("department", "job_title")}
CONFIRMED = {"accounts": ("industry", "website"), "contacts": ("emails", "phone_numbers")}
# What of these lists a filter asks for, which name fields.
NAMING = {"missing_fields": EMPTIED, "conflicting_fields": CONFIRMED}
CREATES = {"payments": "RecordPayment"}
# Without it some hidden fields could not be there.
BESIDES: Mapping[str, Mapping[str, Any]] = {"accounts": {"kind": "KIND_ORGANIZATION", "roles": ["ROLE_COMPETITOR"]}}
# Of which other record an id is.
OTHERS = {
    "parent_id": "accounts",
    "reports_to_id": "contacts",
    "contact_ids": "contacts",
    "opportunity_id": "opportunities",
    "contact_id": "contacts",
}
# Set by the platform: `make` writes them.
BY_PLATFORM = {"accounts": {"last_contact_time", "value_tier"}, "scores": {"rfm", "value_tier"}}
_TEXT = ("okapi", "quagga", "ibex", "tapir")
_CONSENT = {"channel": "SMS", "state": "STATE_GRANTED"}
# Of each field that can be hidden, four values: of either world one at first and one later.
VALUES: Mapping[str, Callable[[int], Any]] = {
    "addresses": lambda n: [{"kind": "KIND_OFFICE", "city": _TEXT[n]}],
    "amount": lambda n: {"amount": f"{n + 1}0.00", "currency_code": "CNY"},
    "bank_account": lambda n: f"622202000000000{n}",
    "birth_date": lambda n: f"198{n}-05-1{n}",
    "body": lambda n: f"body {_TEXT[n]}",
    "campaign": lambda n: f"campaign {_TEXT[n]}",
    "company_name": lambda n: f"company {_TEXT[n]}",
    "competitor_profile": lambda n: {"main_products": _TEXT[n]},
    "consents": lambda n: [_CONSENT | {"evidence": _TEXT[n]}],
    "credit_code": lambda n: BODIES[n] + check_character(BODIES[n]),
    "department": lambda n: f"department {_TEXT[n]}",
    "description": lambda n: f"description {_TEXT[n]}",
    "email": lambda n: f"{_TEXT[n]}@example.com",
    "emails": lambda n: [f"{_TEXT[n]}@example.com"],
    "employee_count": lambda n: 100 + n,
    "expected_close_date": lambda n: f"2027-0{n + 1}-15",
    "external_ids": lambda n: [{"source": "sap", "value": f"Q77{n}"}],
    "industry": lambda n: f"industry {_TEXT[n]}",
    "job_title": lambda n: f"title {_TEXT[n]}",
    "legal_name": lambda n: f"{_TEXT[n]} holdings",
    "next_step": lambda n: f"step {_TEXT[n]}",
    "outcome": lambda n: f"outcome {_TEXT[n]}",
    "phone_number": lambda n: f"+8613{n}00138000",
    "phone_numbers": lambda n: [f"+8613{n}00138000"],
    "preferences": lambda n: f"likes {_TEXT[n]}",
    "receive_time": lambda n: f"2026-01-0{n + 1}T09:00:00Z",
    "reference": lambda n: f"reference {_TEXT[n]}",
    "region_code": lambda n: ("CN-GD", "CN-BJ", "CN-SH", "CN-ZJ")[n],
    "short_name": lambda n: f"{_TEXT[n]} short",
    "source": lambda n: f"source {_TEXT[n]}",
    "taboos": lambda n: f"no {_TEXT[n]}",
    "tags": lambda n: [_TEXT[n]],
    "website": lambda n: f"https://{_TEXT[n]}.example",
    f"custom.{KEY}": lambda n: f"custom {_TEXT[n]}",
}
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


@dataclass
class Side:
    """One of two worlds: a tenant with the record, who sees all of it, and who does not see its hideable fields.

    `names` are what was made alike on both sides.
    """

    index: int
    admin: User
    reader: User
    record_id: str = ""
    create_time: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    names: dict[str, str] = field(default_factory=dict)

    def plain(self, answer: str) -> str:
        """An answer without what differs anyway: ids, times, links, tokens of pages, and names that are made unique."""
        for id, name in self.names.items():
            answer = answer.replace(id, name)
        seen: dict[str, str] = {}
        answer = _UUID.sub(lambda match: seen.setdefault(match[0], f"id{len(seen)}"), answer)
        # The longer before the shorter, which might be the beginning of it: twelve digits are both.
        answer = re.sub(r"[TC][0-9A-F]{20}|[0-9a-f]{12,32}", "hex", answer)
        answer = re.sub(r"(seconds|nanos): -?\d+", r"\1", answer)
        answer = re.sub(r"\d{4}-\d\d-\d\d[T ][0-9:.]+(Z|\+00:00)", "time", answer)
        answer = re.sub(r"(\?link=)[\w-]+", r"\1link", answer)
        # How far a job is that assesses records.
        answer = re.sub(r"assess(ment|ed_count): \w+", r"assess\1", answer)
        return re.sub(r'(page_token: )"[^"]+"', r"\1token", answer)


def hidden_in(collection: str) -> list[str]:
    """All that can be hidden of the collection, and the custom field of these tests."""
    own = hideable()[collection]
    return [*sorted(own.fields), *([f"custom.{KEY}"] if own.has_custom else ())]


async def sides(world: World, collection: str) -> tuple[Side, Side]:
    """Both, with the record made and changed by who sees all of it: hidden values differ, at first and later."""
    found = []
    for index in (0, 1):
        tenant_id = await world.tenant()
        admin = await world.user(tenant_id)
        hidden = [f"{collection}.{each}" for each in hidden_in(collection)]
        side = Side(index, admin, await world.user(tenant_id, hidden_fields=hidden))
        side.names |= {str(tenant_id): "tenant", str(admin.id): "admin", str(side.reader.id): "reader"}
        await (make_scores(world, side) if collection == "scores" else make(world, side, collection))
        found.append(side)
    return found[0], found[1]


async def make(world: World, side: Side, collection: str) -> None:
    """The record, with one change of its hidden values where it can be changed."""
    message = RESOURCES[collection]
    noun = message.DESCRIPTOR.name
    if collection in WITH_CUSTOM_FIELDS:
        await define_secret(world, side, noun)
    if collection in ASSESSED:
        await expect_hidden(world, side, collection)
    create = RPCS[CREATES.get(collection, f"Create{noun}")]
    request: Any = await world.request(create, side.admin)
    place = next(each.name for each in create.request.fields if each.message_type is create.response)
    ParseDict(
        {**BESIDES.get(collection, {}), **await values(world, side, collection, side.index)}, getattr(request, place)
    )
    made: Any = await world.call(create, request, side.admin.metadata)
    side.record_id, side.create_time = made.id, made.create_time.ToDatetime(UTC)
    side.names[made.id] = "record"
    if update := RPCS.get(f"Update{noun}"):
        later = await values(world, side, collection, side.index + 2)
        later = {name: value for name, value in later.items() if f"{place}.{name}" not in IMMUTABLE}
        changed: Any = GetMessageClass(update.request)()
        ParseDict(later | {"id": made.id}, getattr(changed, place))
        changed.update_mask.paths.extend(later)
        await world.call(update, changed, side.admin.metadata)
        if collection in ASSESSED:
            await make_incomplete(world, side, collection)
            await disagree(world, side, collection, later)
    if collection == "accounts":
        async with world.services["customer"].unit_of_work(side.admin.tenant_id) as work:
            project_value_tier(work, UUID(made.id), (Tier.KEY, Tier.STANDARD)[side.index], version=1)
            project_last_contact(work, UUID(made.id), datetime(2026, 2, 1 + side.index, tzinfo=UTC))


IMMUTABLE = frozenset({"order.opportunity_id"})


async def define_secret(world: World, side: Side, noun: str) -> None:
    """A custom field of the collection."""
    request: Any = await world.request(RPCS[f"Create{noun}CustomField"], side.admin)
    request.custom_field.key = KEY
    await world.call(RPCS[f"Create{noun}CustomField"], request, side.admin.metadata)


async def expect_hidden(world: World, side: Side, collection: str) -> None:
    """A quality rule that expects all that can be hidden, and has each grow stale."""
    expected = [each for each in hidden_in(collection) if each not in BY_PLATFORM.get(collection, ())]
    rule = {
        "display_name": "all that can be hidden",
        "collection": collection,
        "expected_fields": [
            {"field": each, "weight": index + 1, "max_age_days": 10 + index} for index, each in enumerate(expected)
        ],
    }
    request = ParseDict({"quality_rule": rule}, CreateQualityRuleRequest())
    await world.call(RPCS["CreateQualityRule"], request, side.admin.metadata)


async def make_incomplete(world: World, side: Side, collection: str) -> None:
    """One hidden value is taken away and another confirmed, on either side another."""
    noun = RESOURCES[collection].DESCRIPTOR.name
    confirm = RPCS[f"Confirm{noun}Fields"]
    confirmed = {"id": side.record_id, "fields": [CONFIRMED[collection][side.index]], "proof": f"proof {side.index}"}
    await world.call(confirm, ParseDict(confirmed, GetMessageClass(confirm.request)()), side.admin.metadata)
    update = RPCS[f"Update{noun}"]
    changed: Any = GetMessageClass(update.request)()
    getattr(changed, noun.lower()).id = side.record_id
    changed.update_mask.paths.append(EMPTIED[collection][side.index])
    await world.call(update, changed, side.admin.metadata)


async def disagree(world: World, side: Side, collection: str, later: Mapping[str, Any]) -> None:
    """Sources say something of hidden fields: on either side of other ones, other things, of which one is right."""
    noun = RESOURCES[collection].DESCRIPTOR.name
    state = RPCS[f"State{noun}SourceValues"]
    right, wrong = CONFIRMED[collection][side.index], CONFIRMED[collection][1 - side.index]
    said = {right: later[right], wrong: VALUES[wrong](side.index), f"custom.{KEY}": VALUES[f"custom.{KEY}"](side.index)}
    request = {"id": side.record_id, "source": f"source {side.index}", "proof": f"proof {side.index}", "values": said}
    await world.call(state, ParseDict(request, GetMessageClass(state.request)()), side.admin.metadata)


async def make_scores(world: World, side: Side) -> None:
    """The scores of an account, twice."""
    account_id = await world.example("scores", side.admin)
    side.record_id = account_id
    side.names[account_id] = "record"
    async with world.services["scoring"].unit_of_work(side.admin.tenant_id) as work:
        before = await SCORES.get(work, UUID(account_id), scope=Scope.ALL)
        rfm = RfmScore((9, 12)[side.index], (RfmSegment.CHAMPIONS, RfmSegment.LOYAL_CUSTOMERS)[side.index], (), None)
        money = Money(Decimal(1000 + side.index), "CNY")
        tier = ValueTierScore(money, (ValueTier.KEY, ValueTier.MAJOR)[side.index], (), None)
        SCORES.save(work, before, replace(before, rfm=rfm, value_tier=tier), AccountScoresUpdated)


async def values(world: World, side: Side, collection: str, number: int) -> dict[str, Any]:
    """The hidden values of a number, as JSON has them."""
    found: dict[str, Any] = {}
    for name in hidden_in(collection):
        if name in BY_PLATFORM.get(collection, ()):
            continue
        if name.startswith("custom."):
            found["custom"] = {KEY: VALUES[name](number)}
        elif name in OTHERS:
            id = await other(world, side, OTHERS[name], number)
            found[name] = [id] if name.endswith("_ids") else id
        else:
            found[name] = VALUES[name](number)
    return found


async def other(world: World, side: Side, kind: str, number: int) -> str:
    """One of four other records, which are there on both sides."""
    for each in NUMBERS:
        name = f"{kind} {each}"
        if name not in side.names.values():
            side.names[await EXAMPLES[kind].make(world, side.admin)] = name
    return next(id for id, name in side.names.items() if name == f"{kind} {number}")


# --- what can be asked


@dataclass(frozen=True)
class Asked:
    """A request of one side; `of` says what it asks in the same words on both."""

    rpc: Rpc
    request: Message
    of: str


async def questions(world: World, side: Side, collection: str) -> AsyncIterator[Asked]:
    """Every read of the service, about the record where it is of one of its kind, speaking of each hidden field."""
    owner = next(rpc.owner for rpc in RPCS.values() if rpc.response is not None and is_of(rpc, collection))
    for rpc in RPCS.values():
        if not (rpc.is_read and rpc.bindings and (rpc.owner == owner or is_of(rpc, collection))) or rpc.name in TIMED:
            continue
        request = await about(world, side, collection, rpc)
        yield Asked(rpc, request, rpc.name)
        if is_of(rpc, collection):
            for changed, of in variants(request, collection, side):
                yield Asked(rpc, changed, f"{rpc.name} {of}")


def is_of(rpc: Rpc, collection: str) -> bool:
    """Whether an rpc is about the records of the collection."""
    return any(re.search(rf"/{collection}\b", binding.template) for binding in rpc.bindings)


async def about(world: World, side: Side, collection: str, rpc: Rpc) -> Any:
    """A good request, about the record wherever it can be."""
    request: Any = await world.request(rpc, side.admin)
    for path in paths_of(rpc):
        if needed_kind(rpc, path) == collection:
            put_id(request, path, side.record_id)
    return request


def variants(request: Any, collection: str, side: Side) -> Iterator[tuple[Any, str]]:
    """The request with each of its parameters speaking of each hidden field."""
    for way, name in places(request.DESCRIPTOR):
        for value in speaking(name, collection, side):
            changed = type(request)()
            changed.CopyFrom(request)
            inner = changed
            for step in way:
                inner = getattr(inner, step)
            if inner.DESCRIPTOR.fields_by_name[name].is_repeated:
                del getattr(inner, name)[:]
                getattr(inner, name).append(value)
            elif name == "read_time":
                inner.read_time.FromDatetime(value)
            else:
                setattr(inner, name, value)
            yield changed, f"{name} {side.plain(str(value))}"


def places(message: Any, way: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    """Where a request says what is looked for, grouped by, measured and the like."""
    for each in message.fields:
        if each.name in SPEAKING:
            yield way, each.name
        elif (
            each.message_type is not None
            and not each.is_repeated
            and len(way) < 2
            and each.name in ("question", "automation_rule")
        ):
            yield from places(each.message_type, (*way, each.name))


# What came of each try to send something, and how long it took: that differs by chance.
TIMED = frozenset({"ListWebhookDeliveries", "GetWebhookDelivery"})
SPEAKING = ("filter", "filter_before", "order_by", "group_by", "sum", "measures", "field", "query", "read_time")


def speaking(name: str, collection: str, side: Side) -> Iterator[Any]:
    """What stands in such a parameter."""
    hidden = [*hidden_in(collection), *(TELLING if collection in ASSESSED else ())]
    if name == "read_time":
        yield from (side.create_time, datetime(2099, 1, 1, tzinfo=UTC))
        return
    if name == "query":
        yield from sorted({text for each in hidden if each in VALUES for n in LATER for text in texts(VALUES[each](n))})
        return
    for each in hidden:
        if name.startswith("filter"):
            yield f"{each} != null"
            yield from (f'{each}:"{field}"' for field in NAMING.get(each, {}).get(collection, ()))
            for value in dict.fromkeys(text for n in LATER if each in VALUES for text in texts(VALUES[each](n))):
                yield f'{each} = "{value}" OR {each}:"{value}"' if name == "filter" else f'{each} = "{value}"'
        elif name == "order_by":
            yield f"{each} desc"
        elif name == "measures":
            yield from (f"{function}:{each}" for function in ("sum", "avg", "min", "max", "distinct"))
        elif name == "group_by":
            yield from (each, f"{each}:month")
        else:
            yield each


def texts(value: Any) -> Iterator[str]:
    """The values within a value, as texts."""
    if isinstance(value, dict):
        for each in value.values():
            yield from texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from texts(each)
    else:
        yield str(value)


async def answer(world: World, asked: Asked, side: Side, by: User) -> str:
    """All that somebody is told, errors with their details."""
    try:
        response = await world.call(asked.rpc, asked.request, by.metadata)
    except grpc.aio.AioRpcError as error:
        told = [error.code().name, error.details() or ""]
        for key, value in error.trailing_metadata() or ():
            if key == DETAILS_KEY and isinstance(value, bytes):
                told.append(MessageToString(Status.FromString(value)))
        return side.plain("\n".join(told))
    return side.plain(MessageToString(response))
