"""Accounts that are open to few: who sees all of them and of what is at them, who a label, and who nothing."""

from typing import Any

import pytest

from tests.factories.places import SERVICES
from tests.service.examples import World
from tests.service.restricting import AT_ACCOUNT, Office, office
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
    made = {}
    for kind, (rpc, fields) in AT_ACCOUNT.items():
        place, values = next(iter(fields.items()))
        at = {"accounts": [{"account_id": account.id}]} if kind == "contacts" else {"account_id": account.id}
        made[kind] = (await team.call(rpc, team.people["elsewhere with ALL"], **{place: values | at})).id
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
        assert [each.id for each in await listed(team, team.people["elsewhere with ALL"], rpc)] == [made[kind]], kind
