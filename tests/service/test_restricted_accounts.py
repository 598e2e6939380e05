"""Accounts that are open to few: who sees all of them and of what is at them, who a label, and who nothing."""

from typing import Any

import pytest
from crm_kit.database.work import UnitOfWork
from crm_kit.errors import Unavailable

from tests.factories.places import SERVICES
from tests.service.examples import World
from tests.service.restricting import AT_ACCOUNT, Office, made_at, office
from tests.service.running import User, refused

WHOLE = ("owner", "above", "above with ALL", "permitted", "member", "member with ALL")
LABEL = ("elsewhere with ALL", "permitted for OWN")
NOTHING = ("peer", "elsewhere")
RESTRICTED = ("PERMISSION_DENIED", "ACCOUNT_RESTRICTED")


@pytest.fixture(scope="session")
def world(request: pytest.FixtureRequest) -> World:
    return World({name: request.getfixturevalue(name) for name in SERVICES})


@pytest.fixture
async def team(world: World) -> Office:
    return await office(world)


async def listed(team: Office, by: User, rpc: str = "ListAccounts", **fields: Any) -> list[Any]:
    """The records of the one list that an answer has."""
    answer = await team.call(rpc, by, **fields)
    return list(next(value for field, value in answer.ListFields() if field.is_repeated)) if answer.ByteSize() else []


async def test_a_restricted_account_is_whole_to_few_a_label_to_others_and_nothing_to_who_never_saw_it(
    team: Office,
) -> None:
    owner = team.people["owner"]
    account = await team.account(owner)
    for name in ("member", "member with ALL"):
        member = {"account_id": account.id, "user_id": str(team.people[name].id), "role": "ROLE_DEPUTY"}
        await team.call("CreateAccountMember", owner, account_member=member | {"access": "ACCESS_READ"})
    await team.restrict(account, owner)
    for name in WHOLE:
        for shown in (
            await team.call("GetAccount", team.people[name], id=account.id),
            *await listed(team, team.people[name], filter='industry = "power"'),
            *await listed(team, team.people[name], "SearchAccounts", query="zebra"),
        ):
            assert (shown.legal_name, shown.restricted, shown.restriction_reason) == (
                "Zebra Holdings",
                True,
                "price negotiation",
            ), name
    for name in LABEL:
        by = team.people[name]
        label = await team.call("GetAccount", by, id=account.id)
        assert {field.name for field, _ in label.ListFields()} == {
            *("id", "kind", "display_name", "status", "owner_id", "owner_name", "owner_team_id", "owner_team_name"),
            *("restricted", "etag", "create_time", "update_time"),
        }
        assert await listed(team, by) == [label]
        assert await listed(team, by, filter="restricted = true", order_by="display_name") == [label]
        assert await listed(team, by, "SearchAccounts", query="华信") == [label]
        # What the label does not have finds nothing, puts nothing in order and is counted nowhere.
        for asked in ({"filter": 'industry = "power"'}, {"filter": "tags:vip"}, {"order_by": "last_contact_time"}):
            assert await listed(team, by, **asked) == []
        for query in ("zebra", "13800138000"):
            assert await listed(team, by, "SearchAccounts", query=query) == []
    for name in NOTHING:
        assert await listed(team, team.people[name]) == []
        with refused("NOT_FOUND", "ACCOUNT_NOT_FOUND"):
            await team.call("GetAccount", team.people[name], id=account.id)


async def test_who_sees_a_label_is_refused_what_else_there_is_and_told_why(team: Office) -> None:
    owner, outsider = team.people["owner"], team.people["elsewhere with ALL"]
    account = await team.account(owner)
    await team.restrict(account, owner)
    for rpc, fields in (
        ("UpdateAccount", {"account": {"id": account.id, "industry": "steel"}, "update_mask": "industry"}),
        ("ArchiveAccount", {"id": account.id}),
        ("UnrestrictAccount", {"id": account.id, "reason": "let me in"}),
        ("ListTimeline", {"account_id": account.id}),
    ):
        with refused(*RESTRICTED):
            await team.call(rpc, outsider, **fields)
    member = {"account_id": account.id, "user_id": str(outsider.id), "role": "ROLE_DEPUTY", "access": "ACCESS_READ"}
    with refused("INVALID_ARGUMENT", "REFERENCE_NOT_FOUND"):
        await team.call("CreateAccountMember", outsider, account_member=member)
    # Who does not see it at all is not told that it is restricted.
    with refused("NOT_FOUND", "ACCOUNT_NOT_FOUND"):
        await team.call("ArchiveAccount", team.people["elsewhere"], id=account.id)


async def test_what_is_at_a_restricted_account_is_seen_by_who_sees_the_whole_of_it_in_every_service(
    team: Office,
) -> None:
    owner = team.people["owner"]
    account = await team.account(owner)
    outsider = team.people["elsewhere with ALL"]
    made = {kind: await made_at(team.world, outsider, kind, account.id) for kind in AT_ACCOUNT}
    lists = {kind: f"List{rpc.removeprefix('Create').removeprefix('Record')}s" for kind, (rpc, _) in AT_ACCOUNT.items()}
    lists["opportunities"] = "ListOpportunities"
    await team.restrict(account, owner)
    for name in (*WHOLE[:4], *LABEL, *NOTHING):
        by, sees = team.people[name], name in WHOLE
        for kind, rpc in lists.items():
            found = [each.id for each in await listed(team, by, rpc)]
            assert found == ([made[kind]] if sees else []), (name, kind)
    # Whoever opened or owns it, too.
    await team.call("UnrestrictAccount", owner, id=account.id, reason="signed")
    await team.heard(account.id, restricted=False)
    for kind, rpc in lists.items():
        assert [each.id for each in await listed(team, outsider, rpc)] == [made[kind]], kind


async def test_nothing_is_begun_at_an_account_that_is_closed_and_nobody_is_told_of_it(team: Office) -> None:
    owner, outsider = team.people["owner"], team.people["elsewhere with ALL"]
    account, other = [await team.account(owner) for _ in range(2)]
    shared = await made_at(team.world, owner, "contacts", account.id)
    await team.call(
        "UpdateContact",
        owner,
        contact={"id": shared, "accounts": [{"account_id": account.id}, {"account_id": other.id}]},
        update_mask="accounts",
    )
    await team.restrict(account, owner)
    for kind in AT_ACCOUNT:
        with refused("INVALID_ARGUMENT", "REFERENCE_NOT_FOUND"):
            await made_at(team.world, outsider, kind, account.id)
    for rpc in ("GetCreditLimit", "GetAccountScores"):
        with refused("NOT_FOUND", "ACCOUNT_NOT_FOUND"):
            await team.call(rpc, outsider, account_id=account.id)
    # Of two accounts one is enough.
    assert await listed(team, outsider, "ListContacts", account_id=other.id) == []
    # By which those are told of events who listen to them.
    checked = await team.call("BatchCheckAccounts", outsider, ids=[account.id, other.id])
    assert [each.id for each in checked.readable] == [other.id]
    assert (await team.call("CountAccounts", outsider)).count == 2
    assert (await team.call("SummarizeAccounts", outsider, sum=["employee_count"])).total_count == 1
    # It is whose it is: with a new owner it opens to them, and to those above them.
    given = {"id": account.id, "owner_id": str(team.people["elsewhere"].id)}
    await team.call("UpdateAccount", team.admin, account=given, update_mask="ownerId")
    assert (await team.call("GetAccount", outsider, id=account.id)).legal_name == "Zebra Holdings"


async def test_whoever_is_shown_the_whole_of_a_restricted_account_is_noted_before_the_answer_leaves(
    team: Office,
) -> None:
    owner, permitted, outsider = (team.people[name] for name in ("owner", "permitted", "elsewhere with ALL"))
    account, other = [await team.account(owner) for _ in range(2)]
    # Before it is restricted nobody is noted.
    await team.call("GetAccount", permitted, id=account.id)
    await team.restrict(account, owner)
    for by in (permitted, outsider):
        for _ in range(2):
            await team.call("GetAccount", by, id=account.id)
        await listed(team, by)
        await listed(team, by, "SearchAccounts", query="华信")
        await team.call("BatchGetAccounts", by, ids=[account.id, other.id])
    await team.call("ListAccountChanges", permitted, id=account.id)
    await team.call("GetAccountAsOf", permitted, id=account.id, read_time="2100-01-01T00:00:00Z")
    reads = await listed(team, owner, "ListAccountReads", id=account.id)
    noted = {(each.user_id, type(each).Method.Name(each.method).removeprefix("METHOD_")) for each in reads}
    methods = ("GET", "BATCH_GET", "LIST", "SEARCH", "AS_OF", "CHANGES")
    assert noted == {(str(permitted.id), method) for method in methods}
    # Once a minute, of which there may be two meanwhile.
    assert len(methods) <= len(reads) <= 2 * len(methods)
    assert {each.user_name for each in reads} == {"somebody"}
    lists = await listed(team, owner, "ListAccountReads", id=account.id, filter="method = LIST", page_size=1)
    assert [each.method for each in lists] == [type(lists[0]).METHOD_LIST]
    assert await listed(team, owner, "ListAccountReads", id=other.id) == []
    with refused(*RESTRICTED):
        await team.call("ListAccountReads", outsider, id=account.id)


async def test_an_account_of_which_nothing_can_be_noted_is_not_shown(
    team: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = team.people["owner"]
    account = await team.account(owner)
    await team.restrict(account, owner)

    async def fail(*_: Any) -> None:
        raise Unavailable("the log cannot be written")

    monkeypatch.setattr(UnitOfWork, "commit", fail)
    with refused("UNAVAILABLE", "UNAVAILABLE"):
        await team.call("GetAccount", owner, id=account.id)


async def test_somebody_is_told_who_can_explain_it_that_an_account_is_closed_to_them(team: Office) -> None:
    owner, outsider = team.people["owner"], team.people["elsewhere with ALL"]
    account = await team.account(owner)
    await team.restrict(account, owner)
    explained = await team.call("ExplainAccountAccess", team.admin, id=account.id, user_id=str(outsider.id))
    assert explained.restricted
    assert {each.allowed for each in explained.operations} == {False}
    explained = await team.call("ExplainAccountAccess", team.admin, id=account.id, user_id=str(owner.id))
    assert not explained.restricted
    with refused(*RESTRICTED):
        await team.call("ExplainAccountAccess", outsider, id=account.id)


async def test_an_account_is_restricted_once_and_opened_by_who_sees_it(team: Office) -> None:
    owner = team.people["owner"]
    account = await team.account(owner)
    with refused("FAILED_PRECONDITION", "ILLEGAL_STATE"):
        await team.call("UnrestrictAccount", owner, id=account.id, reason="it is not")
    shown = await team.restrict(account, owner)
    with refused("FAILED_PRECONDITION", "ILLEGAL_STATE"):
        await team.call("RestrictAccount", owner, id=account.id, reason="again")
    with refused("ABORTED", "ETAG_MISMATCH"):
        await team.call("UnrestrictAccount", owner, id=account.id, reason="signed", etag=account.etag)
    opened = await team.call("UnrestrictAccount", owner, id=account.id, reason="signed", etag=shown.etag)
    assert (opened.restricted, opened.restriction_reason) == (False, "signed")
    assert [each.action for each in (await team.call("ListAccountChanges", owner, id=account.id)).changes] == [
        "UNRESTRICTED",
        "RESTRICTED",
        "CREATED",
    ]
