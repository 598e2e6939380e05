"""Records of other services: the newest version wins, and what is not known yet is asked for."""

from dataclasses import replace
from uuid import UUID

import pytest
from crm_kit.accounts import Account
from crm_kit.database.work import Reader, UnitOfWork
from crm_kit.errors import InvalidArgument, NotFound, PermissionDenied, Unavailable
from crm_kit.identity.access import Access, Actor, Scope
from crm_kit.ids import new_id
from crm_kit.projections import Projection, put_newest
from crm_scoring.accounts.tables import accounts

from tests.service.running import Running


class Owner:
    """The service that has the records: it answers as told, and keeps what it was asked for."""

    def __init__(self, *known: Account, error: Exception | None = None) -> None:
        self._known = {each.id: each for each in known}
        self._error = error or NotFound("it does not exist")
        self.asked: list[UUID] = []

    async def fetch(self, id: UUID) -> Account:
        self.asked.append(id)
        if id not in self._known:
            raise self._error
        return self._known[id]

    @property
    def accounts(self) -> Projection[Account]:
        return Projection(accounts, Account, self.fetch)


@pytest.fixture
async def tenant_id(scoring: Running) -> UUID:
    return await scoring.tenant()


def account(owner_id: UUID | None = None, team_id: UUID | None = None) -> Account:
    return Account(new_id(), "华信电力", owner_id, team_id, archived=False, restricted=False, version=3)


def put(work: UnitOfWork, known: Account) -> None:
    row = {"id": known.id, "display_name": known.display_name, "owner_id": known.owner_id}
    put_newest(work, accounts, row | {"owner_team_id": known.owner_team_id, "version": known.version})


async def test_an_older_version_changes_nothing_and_a_newer_one_does(scoring: Running, tenant_id: UUID) -> None:
    known, nobody = account(), Owner().accounts
    for version, name, shown in (
        (3, "three", "three"),
        (2, "two", "three"),
        (3, "other", "three"),
        (4, "four", "four"),
    ):
        async with scoring.unit_of_work(tenant_id) as work:
            put(work, replace(known, display_name=name, version=version))
        async with scoring.unit_of_work(tenant_id) as work:
            found = await nobody.find(work, known.id, scope=Scope.ALL)
            assert found is not None
            assert found.display_name == shown


async def test_one_that_is_known_is_not_asked_for(scoring: Running, tenant_id: UUID) -> None:
    known, owner = account(), Owner()
    async with scoring.unit_of_work(tenant_id) as work:
        put(work, known)
    async with scoring.unit_of_work(tenant_id) as work:
        assert await owner.accounts.require(work, known.id, field="account_id", scope=Scope.ALL) == known
    assert not owner.asked


async def test_one_that_is_not_known_yet_is_asked_for_once(scoring: Running, tenant_id: UUID) -> None:
    new = account()
    owner = Owner(new)
    for _ in range(2):
        async with scoring.unit_of_work(tenant_id) as work:
            assert await owner.accounts.find(work, new.id, scope=Scope.ALL) == new
    assert owner.asked == [new.id]


@pytest.mark.parametrize("error", [NotFound("no"), PermissionDenied("no")])
async def test_a_reference_to_what_is_nowhere_is_refused_by_its_field(
    scoring: Running, tenant_id: UUID, error: Exception
) -> None:
    async with scoring.unit_of_work(tenant_id) as work:
        with pytest.raises(InvalidArgument) as refusal:
            await Owner(error=error).accounts.require(work, new_id(), field="order.account_id", scope=Scope.ALL)
    assert refusal.value.reason == "REFERENCE_NOT_FOUND"
    assert [each.field for each in refusal.value.violations] == ["order.account_id"]


async def test_when_the_owner_does_not_answer_nothing_is_said_about_it(scoring: Running, tenant_id: UUID) -> None:
    async with scoring.unit_of_work(tenant_id) as work:
        with pytest.raises(Unavailable):
            await Owner(error=Unavailable("away")).accounts.find(work, new_id(), scope=Scope.ALL)


async def seen(reader: Reader, found: Account, scope: Scope) -> bool:
    return await Owner(found).accounts.find(reader, found.id, scope=scope) is not None


@pytest.mark.parametrize("is_known", [True, False])
async def test_only_what_the_scope_reaches_is_found(scoring: Running, tenant_id: UUID, is_known: bool) -> None:
    me, north, south = new_id(), new_id(), new_id()
    actor = Actor(tenant_id, me, Access(active=True, grants={}, team_id=north, team_ids=(north,)))
    mine, of_team, of_others, nobodys = (
        account(me, south),
        account(new_id(), north),
        account(new_id(), south),
        account(),
    )
    everything = (mine, of_team, of_others, nobodys)
    if is_known:
        async with scoring.unit_of_work(tenant_id) as work:
            for each in everything:
                put(work, each)
    reached = {Scope.OWN: [mine], Scope.TEAM: [mine, of_team], Scope.ALL: list(everything)}
    for scope, expected in reached.items():
        async with scoring.unit_of_work(tenant_id) as work:
            work.actor = actor
            found = []
            for each in everything:
                if await seen(work, each, scope):
                    found.append(each)
                work.pending.clear()
        assert found == expected
