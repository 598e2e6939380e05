"""No one where they don't belong: every rpc of the contract against everybody whom it must refuse.

Nothing here names an rpc. One that is new is covered the day it appears; where its request names a kind of record
that has no example yet, a test says so.
"""

import re
from collections.abc import Awaitable, Callable

import pytest
from crm_gateway.contract import INTERNAL, PUBLIC, Rpc
from crm_kit.identity.access import Scope
from crm_kit.ids import new_id
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from tests.factories.messages import Path, put_id, settled
from tests.factories.places import (
    ALSO_PERMITTED,
    AUTOMATION_RULES,
    CUSTOM_FIELDS,
    DISCUSSED,
    POLICIES,
    RPCS,
    SERVICES,
    TASKS,
    WITH_APPROVALS,
    WITH_AUTOMATION,
    WITH_CUSTOM_FIELDS,
    WITH_REPORTS,
    WITH_TASKS,
    paths_of,
    route_paths,
)
from tests.service.examples import EXAMPLES, Answer, World, needed_kind
from tests.service.running import Running, Tokens, User

AUTHENTICATED = "authenticated"
PROTECTED = [rpc for rpc in RPCS.values() if rpc.permission != PUBLIC]
GRANTED = [rpc for rpc in PROTECTED if rpc.permission not in (AUTHENTICATED, INTERNAL)]
PLACES = [(rpc, path) for rpc in PROTECTED if rpc.permission != INTERNAL for path in paths_of(rpc)]
UNOWNED = {kind for kind, example in EXAMPLES.items() if not example.owned}
# What is nobody's own, made with a file or for an account of one's own: with less than the scope ALL nothing is.
WHOLE_TENANTS = {"CreateFeedDelivery", "DeliverFeedRows", "CreatePriceBook", "UpdatePriceBook"}
OWNED_PLACES = [
    (rpc, path)
    for rpc, path in PLACES
    if needed_kind(rpc, path) not in UNOWNED and rpc in GRANTED and rpc.name not in WHOLE_TENANTS
]
# Where a record is made to refer to another. Uploads are imported by who may import.
REFERENCES = [
    (rpc, path)
    for rpc, path in OWNED_PLACES
    if path not in route_paths(rpc) and needed_kind(rpc, path) != "uploads" and rpc.permission.endswith(".write")
]
OF_TASKS = {f"{TASKS}/{collection}" for collection in WITH_TASKS}
OF_COLLECTIONS = {
    *(f"{CUSTOM_FIELDS}/{collection}" for collection in WITH_CUSTOM_FIELDS),
    *(f"{POLICIES}/{collection}" for collection in WITH_APPROVALS),
    *(f"{AUTOMATION_RULES}/{collection}" for collection in WITH_AUTOMATION),
}
# What makes something that is nobody's own. Whoever may read a record has tasks at it, as comments.
SHARED = [
    rpc
    for rpc in GRANTED
    if rpc.bindings
    and rpc.bindings[0].verb == "POST"
    and rpc.bindings[0].template.removeprefix("/v1/") in {*UNOWNED, *OF_COLLECTIONS} - OF_TASKS
]
EVERYTHING_OF_ONES_OWN = {rpc.permission: Scope.OWN for rpc in GRANTED}

# Ids that are kept or passed over without a look at what they name: nothing can be learnt through them.
TAKEN_AS_GIVEN = {
    # Whoever keeps a list takes out of it what they see no longer, and is told nothing of it.
    ("RemoveSegmentMembers", "account_ids"),
    ("CreatePipeline", "pipeline.stages.id"),
    # They are looked for among the parts of the bundle, and nowhere else.
    ("AddProductVersion", "version.parts.needed_product_ids"),
    ("AddProductVersion", "version.parts.excluded_product_ids"),
    ("PriceLines", "lines.option_product_ids"),
    ("CreateQuote", "quote.lines.option_product_ids"),
    ("UpdateQuote", "quote.lines.option_product_ids"),
    # What one's own notifications are about may be gone.
    ("MarkAllNotificationsRead", "record_id"),
    ("UpdateNotificationPreference", "notification_preference.muted_records.record_id"),
    ("UpdateCase", "case.assignee_id"),
    ("UpdateCurrentUser", "user.role_ids"),
    ("UpdateCurrentUser", "user.team_id"),
    # Whoever has submitted an approval hands it on to nobody.
    *((f"Reassign{noun}Approval", field) for noun, _ in WITH_APPROVALS.values() for field in ("from_id", "to_user_id")),
    # Endpoints are another service's: what is sent to none that there is goes nowhere.
    *(
        (f"{verb}{noun}AutomationRule", "automation_rule.actions.webhook_call.endpoint_id")
        for noun in WITH_AUTOMATION.values()
        for verb in ("Create", "Update")
    ),
    # What an update does not change is refused whatever it names, unless it is what it was.
    ("UpdateOrder", "order.opportunity_id"),
    ("UpdateQuote", "quote.opportunity_id"),
    ("UpdateAccountMember", "account_member.account_id"),
    ("UpdatePriceBook", "price_book.account_id"),
    ("UpdatePrice", "price.price_book_id"),
    ("UpdatePrice", "price.product_id"),
    ("UpdateMailbox", "mailbox.channel_id"),
    # What is shared with nobody names no roles, whichever; and what a tile shows is another service's.
    *(
        (f"{verb}Dashboard", f"dashboard.{field}")
        for verb in ("Create", "Update")
        for field in ("tiles.report_id", "role_ids", "default_role_ids")
    ),
    # So it is with a private report; and an id that is of none of its subscriptions gives way to a new one.
    *(
        (f"{verb}{noun}Report", f"report.{field}")
        for verb in ("Create", "Update")
        for noun in WITH_REPORTS.values()
        for field in ("role_ids", "subscriptions.id")
    ),
    *((f"Update{noun}Comment", "comment.parent_id") for noun in DISCUSSED.values()),
}
# What differs between two answers to the same question: ids, times, counters.
ANY_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
NUMBER = re.compile(r"[0-9]+")

Credentials = Callable[[World, Running], Awaitable[str]]


@pytest.fixture(scope="session")
def world(request: pytest.FixtureRequest) -> World:
    """All services that the contract names."""
    return World({name: request.getfixturevalue(name) for name in SERVICES})


def named(value: object) -> str:
    """How an rpc or a place in its request is called in a test's name."""
    if isinstance(value, Rpc):
        return value.name
    return ".".join(value) if isinstance(value, tuple) else str(getattr(value, "__name__", value))


# --- who somebody is


async def no_token(world: World, service: Running) -> str:
    return ""


async def garbage(world: World, service: Running) -> str:
    return "Bearer abc.def.ghi"


async def another_scheme(world: World, service: Running) -> str:
    user = await admin(world)
    return f"Basic {user.token}"


async def expired(world: World, service: Running) -> str:
    return await token_with(world, service, exp=1)


async def wrong_key(world: World, service: Running) -> str:
    user = await admin(world)
    return f"Bearer {Tokens().token(service.service.settings.issuer, user.tenant_id, user.id)}"


async def wrong_audience(world: World, service: Running) -> str:
    return await token_with(world, service, aud="elsewhere")


async def wrong_issuer(world: World, service: Running) -> str:
    return await token_with(world, service, iss="https://elsewhere.example")


async def user_deactivated(world: World, service: Running) -> str:
    async def make() -> User:
        return await world.user((await admin(world)).tenant_id, active=False)

    return f"Bearer {(await world.known('deactivated', make)).token}"


async def user_unknown(world: World, service: Running) -> str:
    return await token_with(world, service, sub=str(new_id()))


async def tenant_unknown(world: World, service: Running) -> str:
    return await token_with(world, service, tenant=str(new_id()))


async def user_of_another_tenant(world: World, service: Running) -> str:
    return await token_with(world, service, tenant=str((await stranger(world)).tenant_id))


async def token_with(world: World, service: Running, **claims: object) -> str:
    user = await admin(world)
    return f"Bearer {service.tokens.token(service.service.settings.issuer, user.tenant_id, user.id, **claims)}"


async def admin(world: World) -> User:
    """Somebody who may do everything in a tenant."""

    async def make() -> User:
        return await world.user(await world.tenant())

    return await world.known("admin", make)


async def stranger(world: World) -> User:
    """Somebody who may do everything in another tenant."""

    async def make() -> User:
        return await world.user(await world.tenant())

    return await world.known("stranger", make)


async def colleague(world: World) -> User:
    """Somebody of the same tenant and another team who may do everything with records of their own."""

    async def make() -> User:
        return await world.user((await admin(world)).tenant_id, grants=EVERYTHING_OF_ONES_OWN)

    return await world.known("colleague", make)


async def over_all(world: World, permission: str) -> User:
    """A colleague who may do one thing with all records."""

    async def make() -> User:
        tenant_id = (await admin(world)).tenant_id
        return await world.user(tenant_id, grants=EVERYTHING_OF_ONES_OWN | {permission: Scope.ALL})

    return await world.known(f"over all: {permission}", make)


UNKNOWN: tuple[Credentials, ...] = (
    no_token,
    garbage,
    another_scheme,
    expired,
    wrong_key,
    wrong_audience,
    wrong_issuer,
    user_deactivated,
    user_unknown,
    tenant_unknown,
    user_of_another_tenant,
)


@pytest.mark.parametrize("rpc", PROTECTED, ids=named)
async def test_whoever_is_not_known_is_told_nothing_else(rpc: Rpc, world: World) -> None:
    asked = await requests(world, rpc)
    for credentials in UNKNOWN:
        header = await credentials(world, world.services[rpc.owner])
        metadata = (("authorization", header),) if header else ()
        told = [await world.answer(rpc, request, metadata) for request in asked]
        reasons = {(each.code, each.reason) for each in told}
        assert reasons == {("UNAUTHENTICATED", "UNAUTHENTICATED")}, (named(credentials), told)
        assert len(set(told)) == 1, f"{named(credentials)}: what is said depends on what is asked for"


@pytest.mark.parametrize("rpc", GRANTED, ids=named)
async def test_all_permissions_but_the_one_that_is_needed_do_not_help(rpc: Rpc, world: World) -> None:
    needed = {rpc.permission, ALSO_PERMITTED.get(rpc.name, rpc.permission)}

    async def make() -> User:
        others = {name: Scope.ALL for name in EVERYTHING_OF_ONES_OWN if name not in needed}
        return await world.user((await admin(world)).tenant_id, grants=others)

    caller = await world.known(f"without {sorted(needed)}", make)
    told = [await world.answer(rpc, request, caller.metadata) for request in await requests(world, rpc)]
    assert {(each.code, each.reason) for each in told} == {("PERMISSION_DENIED", "PERMISSION_DENIED")}, told
    assert len(set(told)) == 1, "what is said depends on what is asked for"


async def requests(world: World, rpc: Rpc) -> list[Message]:
    """A good request about what exists, one about what does not, and one that breaks the rules."""
    good = await world.request(rpc, await admin(world))
    absent = type(good).FromString(good.SerializeToString())
    for path in route_paths(rpc):
        put_id(absent, path, str(new_id()))
    return [good, absent, GetMessageClass(rpc.request)()]


# --- what belongs to others


def test_every_id_in_the_contract_is_of_something_there_is_an_example_of() -> None:
    assert {needed_kind(rpc, path) for rpc, path in PLACES} <= set(EXAMPLES)


@pytest.mark.parametrize(("rpc", "path"), PLACES, ids=named)
async def test_what_is_another_tenants_is_as_good_as_absent(rpc: Rpc, path: Path, world: World) -> None:
    await assert_hidden(world, rpc, path, owner=await admin(world), caller=await stranger(world))


@pytest.mark.parametrize(("rpc", "path"), OWNED_PLACES, ids=named)
async def test_what_is_another_teams_is_as_good_as_absent(rpc: Rpc, path: Path, world: World) -> None:
    await assert_hidden(world, rpc, path, owner=await admin(world), caller=await colleague(world))


@pytest.mark.parametrize(("rpc", "path"), REFERENCES, ids=named)
async def test_who_may_write_all_of_one_kind_names_nothing_of_it_or_another_that_they_may_not_read(
    rpc: Rpc, path: Path, world: World
) -> None:
    """What a record refers to is named to its readers: nobody learns a name, or that it is there, by an id."""
    await assert_hidden(world, rpc, path, owner=await admin(world), caller=await over_all(world, rpc.permission))


@pytest.mark.parametrize("rpc", SHARED, ids=named)
async def test_what_concerns_the_whole_tenant_takes_a_scope_that_reaches_it(rpc: Rpc, world: World) -> None:
    caller = await colleague(world)
    answer = await world.answer(rpc, await world.request(rpc, caller), caller.metadata)
    assert answer.code == "PERMISSION_DENIED", answer


async def assert_hidden(world: World, rpc: Rpc, path: Path, *, owner: User, caller: User) -> None:
    """The caller learns of the owner's record what they learn of one that never was; of their own they learn more."""
    kind = needed_kind(rpc, path)
    theirs, hidden = await world.example(kind, caller), await world.example(kind, owner)
    absent = await told_of(world, rpc, path, str(new_id()), caller)
    assert await told_of(world, rpc, path, hidden, caller) == absent
    if path in route_paths(rpc):
        assert (absent.code, absent.reason.endswith("NOT_FOUND")) == ("NOT_FOUND", True), absent
    own = await told_of(world, rpc, path, theirs, caller)
    taken_as_given = (rpc.name, ".".join(path)) in TAKEN_AS_GIVEN
    assert (own == absent) == taken_as_given, f"whatever is named, the answer is {own}"


async def told_of(world: World, rpc: Rpc, path: Path, id: str, caller: User) -> Answer:
    """What the caller is told when this id stands at this place of an otherwise good request of theirs."""
    request = await world.request(rpc, caller)
    put_id(request, path, id)
    answer = await world.answer(rpc, settled(request), caller.metadata)
    text = NUMBER.sub("<number>", ANY_ID.sub("<id>", answer.text))
    return Answer(answer.code, answer.reason, text, answer.fields)
