"""Saved views: what they may ask for, who sees them and changes them, and whose default they are."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import httpx
import pytest
from crm.customer.v1 import saved_views_pb2 as pb
from crm.customer.v1.saved_views_pb2_grpc import SavedViewServiceStub
from crm_customer.workspace.saved_views import asked, commands
from crm_kit.identity.access import Scope
from crm_kit.ids import new_id
from crm_kit.listed_collections import listed_collections
from google.protobuf.field_mask_pb2 import FieldMask

from tests.service.customer.companies import Company
from tests.service.running import Running, User, refused
from tests.service.web import bearer, gateway

if TYPE_CHECKING:
    from crm.customer.v1.saved_views_pb2_grpc import SavedViewServiceAsyncStub

Save = Callable[..., Awaitable[pb.SavedView]]
View = pb.SavedView
VIEWS = "/v1/saved-views"


def scoped(scope: Scope) -> dict[str, Scope]:
    return {"saved_views.read": scope, "saved_views.write": scope}


@pytest.fixture
def views(customer: Running) -> "SavedViewServiceAsyncStub":
    return SavedViewServiceStub(customer.channel)


@pytest.fixture
async def user(customer: Running) -> User:
    return await customer.user()


@pytest.fixture
def save(views: "SavedViewServiceAsyncStub", user: User) -> Save:
    async def saved(by: User = user, **fields: Any) -> pb.SavedView:
        view = View(**{"display_name": "本月到期", "collection": "opportunities", **fields})
        return await views.CreateSavedView(pb.CreateSavedViewRequest(saved_view=view), metadata=by.metadata)

    return saved


@pytest.fixture
async def web(customer: Running) -> AsyncIterator[httpx.AsyncClient]:
    async with gateway(customer) as client:
        yield client


async def change(views: "SavedViewServiceAsyncStub", by: User, view: pb.SavedView, **values: Any) -> pb.SavedView:
    changed = View(id=view.id, **values)
    request = pb.UpdateSavedViewRequest(saved_view=changed, update_mask=FieldMask(paths=list(values)))
    return await views.UpdateSavedView(request, metadata=by.metadata)


async def listed(views: "SavedViewServiceAsyncStub", by: User, filter: str = "") -> list[str]:
    page = await views.ListSavedViews(pb.ListSavedViewsRequest(filter=filter), metadata=by.metadata)
    return [each.id for each in page.saved_views]


async def test_a_view_is_saved_read_changed_and_put_away_over_rest(web: httpx.AsyncClient, user: User) -> None:
    asked_for = {
        "display_name": "本月到期的商机",
        "collection": "opportunities",
        "filter": "owner_id = me AND expected_close_date < this_month",
        "order_by": "expected_close_date, create_time desc",
        "columns": ["display_name", "account_name", "amount", "custom.contract_no"],
        "group_by": "stage_id",
        "kind": "BOARD",
        "pinned": True,
    }
    made = await web.post(VIEWS, json=asked_for, headers=bearer(user))
    assert made.status_code == 201, made.text
    view = made.json()
    assert {name: view[name] for name in asked_for} == asked_for
    assert (view["visibility"], view["state"], view["problems"]) == ("PRIVATE", "ACTIVE", [])
    assert (view["owner_id"], view["owner_name"]) == (str(user.id), "somebody")
    one = f"{VIEWS}/{view['id']}"
    # An answer may be sent back as it came.
    assert (await web.patch(one, json=view, headers=bearer(user))).json() == view
    changed = await web.patch(one, json={"kind": "TABLE", "group_by": None}, headers=bearer(user))
    assert (changed.json()["kind"], changed.json()["group_by"]) == ("TABLE", None)
    assert (await web.post(f"{one}:archive", json={}, headers=bearer(user))).json()["state"] == "ARCHIVED"
    assert (await web.get(VIEWS, headers=bearer(user))).json()["saved_views"] == []
    assert (await web.post(f"{one}:restore", json={}, headers=bearer(user))).json()["state"] == "ACTIVE"


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("filter", {"filter": "colour = red"}),
        ("filter", {"filter": "expected_close_date < soon"}),
        ("filter", {"filter": "state = NOWHERE"}),
        ("filter", {"filter": "display_name ="}),
        ("order_by", {"order_by": "amount.amount"}),
        ("order_by", {"order_by": "expected_close_date, expected_close_date"}),
        ("columns[1]", {"columns": ["display_name", "colour"]}),
        ("group_by", {"group_by": "display_name"}),
        ("group_by", {"kind": View.KIND_BOARD}),
        ("collection", {"collection": "nothing"}),
        # What cannot be listed.
        ("collection", {"collection": "credit_limits"}),
    ],
)
async def test_what_the_collection_does_not_have_is_refused_by_name(
    save: Save, field: str, values: dict[str, Any]
) -> None:
    reason = "INVALID_FILTER" if field == "filter" else "INVALID_ARGUMENT"
    with refused("INVALID_ARGUMENT", reason) as refusal:
        await save(**values)
    assert refusal.fields == [f"saved_view.{field}"]


async def test_a_view_that_is_saved_anew_leaves_the_other_as_it_was(
    views: "SavedViewServiceAsyncStub", user: User, save: Save
) -> None:
    first = await save(filter="probability_percent > 50", columns=["display_name"])
    copy = await views.CreateSavedView(
        pb.CreateSavedViewRequest(
            saved_view=View(display_name="Another", collection=first.collection, filter="probability_percent > 90")
        ),
        metadata=user.metadata,
    )
    assert copy.id != first.id
    assert await views.GetSavedView(pb.GetSavedViewRequest(id=first.id), metadata=user.metadata) == first


async def test_a_view_whose_field_is_gone_says_so_and_keeps_no_list_from_being_read(
    views: "SavedViewServiceAsyncStub", user: User, save: Save
) -> None:
    """Another version of the platform has other fields."""
    view = await save(
        filter="probability_percent > 50",
        columns=["display_name", "probability_percent"],
        order_by="expected_close_date",
    )
    known = dict(listed_collections())
    opportunities = known["opportunities"]
    without = {name: each for name, each in opportunities.filters.items() if name != "expected_close_date"}
    known["opportunities"] = type(opportunities)(
        name="opportunities",
        columns=opportunities.columns - {"probability_percent"},
        orders=frozenset({"id"}),
        groups=opportunities.groups,
        filters=without,
        has_custom=True,
    )
    with patch.object(asked, "listed_collections", lambda: known):
        page = await views.ListSavedViews(pb.ListSavedViewsRequest(), metadata=user.metadata)
        (shown,) = page.saved_views
        assert [each.field for each in shown.problems] == ["order_by", "columns"]
        assert "probability_percent" in shown.problems[1].detail
        # It can be renamed as it is, and mended.
        assert (await change(views, user, view, display_name="Old")).problems == shown.problems
        mended = await change(views, user, view, columns=["display_name"], order_by="id")
        assert not mended.problems
        del known["opportunities"]
        gone = await views.GetSavedView(pb.GetSavedViewRequest(id=view.id), metadata=user.metadata)
        assert [each.field for each in gone.problems] == ["collection"]


async def test_private_views_are_their_owners_and_others_are_seen_by_team_and_tenant(
    customer: Running, views: "SavedViewServiceAsyncStub", user: User, save: Save
) -> None:
    tenant = user.tenant_id
    top = await customer.team(tenant)
    middle = await customer.team(tenant, top)
    below, other = await customer.team(tenant, middle), await customer.team(tenant, top)

    async def person(team_id: Any, scope: Scope = Scope.OWN) -> User:
        return await customer.user(tenant, grants=scoped(scope), team_id=team_id)

    owner, mate, under, beside, head = [await person(team) for team in (middle, middle, below, other, top)]
    chief, boss = await person(top, Scope.TEAM), await person(None, Scope.ALL)
    private = await save(owner)
    team = await save(owner, visibility=View.VISIBILITY_TEAM, position=1)
    ours = await save(boss, visibility=View.VISIBILITY_TENANT, position=2)
    assert await listed(views, owner) == [private.id, team.id, ours.id]
    for who in (mate, under, chief, boss):
        assert await listed(views, who) == [team.id, ours.id]
    # Teams above see what those below share by their scope; with OWN they have no part in it.
    for who in (beside, head):
        assert await listed(views, who) == [ours.id]
        with refused("NOT_FOUND", "SAVED_VIEW_NOT_FOUND"):
            await views.GetSavedView(pb.GetSavedViewRequest(id=team.id), metadata=who.metadata)
    # Whoever joins later, too.
    assert await listed(views, await person(middle)) == [team.id, ours.id]
    with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
        await change(views, mate, team, display_name="mine now")
    assert (await change(views, chief, team, pinned=True)).pinned
    # Who changes it does not take it along.
    assert (await change(views, boss, team, pinned=False)).owner_team_id == str(middle)
    for who in (owner, chief):
        with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
            await change(views, who, team, visibility=View.VISIBILITY_TENANT)
        with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
            await save(who, visibility=View.VISIBILITY_TENANT)
    with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
        await views.ArchiveSavedView(pb.ArchiveSavedViewRequest(id=ours.id), metadata=owner.metadata)


async def test_a_role_has_one_default_for_a_collection(
    views: "SavedViewServiceAsyncStub", company: Company, save: Save
) -> None:
    boss, role = company.admin, await company.role(accounts_read=Scope.OWN)
    shared = {"visibility": View.VISIBILITY_TENANT, "default_for_role_ids": [role.id]}
    first = await save(boss, **shared)
    assert list(first.default_for_role_names) == [role.display_name]
    with refused("ALREADY_EXISTS", "SAVED_VIEW_DEFAULT_TAKEN"):
        await save(boss, **shared)
    await save(boss, **shared | {"collection": "accounts"})
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
        await change(views, boss, first, visibility=View.VISIBILITY_PRIVATE)
    assert refusal.fields == ["saved_view.visibility"]
    with refused("INVALID_ARGUMENT", "REFERENCE_NOT_FOUND"):
        await save(boss, **shared | {"default_for_role_ids": [str(new_id())]})
    archived = await views.ArchiveSavedView(pb.ArchiveSavedViewRequest(id=first.id), metadata=boss.metadata)
    assert not archived.default_for_role_ids
    second = await save(boss, **shared)
    assert await listed(views, boss, f'default_for_role_ids : "{role.id}" AND collection = "opportunities"') == [
        second.id
    ]
    # Passed on from one to the other.
    await change(views, boss, second, default_for_role_ids=[])
    assert await save(boss, **shared)


async def test_nobody_has_more_views_than_the_limit(save: Save, user: User, customer: Running) -> None:
    with patch.object(commands, "MAX_OF_OWNER", 2):
        await save()
        await save()
        with refused("FAILED_PRECONDITION", "SAVED_VIEW_LIMIT_REACHED"):
            await save()
        assert await save(await customer.user(user.tenant_id))


async def test_many_that_are_saved_at_once_are_not_more_than_the_limit(
    views: "SavedViewServiceAsyncStub", save: Save, user: User
) -> None:
    with patch.object(commands, "MAX_OF_OWNER", 2):
        results = await asyncio.gather(*(save() for _ in range(8)), return_exceptions=True)
    assert len(await listed(views, user)) == sum(isinstance(each, View) for each in results) == 2
