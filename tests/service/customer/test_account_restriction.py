"""Accounts that a tenant restricts by rule: new ones at once, those that are there soon, and by hand wins."""

from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from crm.customer.v1 import account_restrictions_pb2 as pb
from crm.customer.v1 import accounts_pb2
from crm.customer.v1.account_restrictions_pb2_grpc import AccountRestrictionServiceStub
from crm.customer.v1.accounts_pb2_grpc import AccountServiceStub
from crm.type.v1 import value_tier_pb2
from crm_customer.records.account_kinds import Kind, ValueTier
from crm_customer.records.account_restrictions.model import AccountRestriction
from crm_customer.records.account_restrictions.tables import account_restrictions
from crm_customer.records.accounts import restricting
from crm_customer.records.accounts.projections import project_value_tier
from crm_kit.database.connections import ALL_TENANTS
from crm_kit.database.statements import compile_statement
from crm_kit.identity.access import Scope
from google.protobuf.field_mask_pb2 import FieldMask
from sqlalchemy import select

from tests.service.customer.customers import new_account, renamed
from tests.service.eventually import eventually
from tests.service.history import changes_of
from tests.service.running import Running, User, refused

if TYPE_CHECKING:
    from crm.customer.v1.account_restrictions_pb2_grpc import AccountRestrictionServiceAsyncStub
    from crm.customer.v1.accounts_pb2_grpc import AccountServiceAsyncStub

Account = accounts_pb2.Account
PERSON, ORGANIZATION = Account.KIND_PERSON, Account.KIND_ORGANIZATION
HAND, RULE = Account.RESTRICTED_BY_HAND, Account.RESTRICTED_BY_RULE
RULE_OF_COMPANIES = AccountRestriction(kinds=(Kind.ORGANIZATION,))
KEY = value_tier_pb2.VALUE_TIER_KEY
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%account_restrictions%'"


class Tenant:
    """A tenant that restricts accounts by rule, and its administrator."""

    def __init__(self, customer: Running, admin: User) -> None:
        self.customer, self.admin = customer, admin
        self.accounts: AccountServiceAsyncStub = AccountServiceStub(customer.channel)
        self.restrictions: AccountRestrictionServiceAsyncStub = AccountRestrictionServiceStub(customer.channel)

    async def restrict(self, *, by: User | None = None, etag: str = "", **values: Any) -> pb.AccountRestriction:
        changed, mask = pb.AccountRestriction(etag=etag, **values), FieldMask(paths=["kinds", "value_tiers"])
        request = pb.UpdateAccountRestrictionRequest(account_restriction=changed, update_mask=mask)
        return await self.restrictions.UpdateAccountRestriction(request, metadata=(by or self.admin).metadata)

    async def of(self, account: Account) -> tuple[bool, Any]:
        """Whether an account is restricted, and by what."""
        request = accounts_pb2.GetAccountRequest(id=account.id)
        found = await self.accounts.GetAccount(request, metadata=self.admin.metadata)
        return found.restricted, found.restricted_by

    async def comes_to(self, account: Account, restricted: bool, by: Any) -> None:
        """Wait until an account is so."""

        async def is_so() -> bool:
            return await self.of(account) == (restricted, by)

        await eventually(is_so)


@pytest.fixture
async def tenant(customer: Running) -> Tenant:
    return Tenant(customer, await customer.user())


async def test_accounts_that_a_rule_takes_are_restricted_as_they_come_and_as_they_are(tenant: Tenant) -> None:
    before, company = [await new_account(tenant.customer, tenant.admin, kind=kind) for kind in (PERSON, ORGANIZATION)]
    saved = await tenant.restrict(kinds=[PERSON])
    assert list(saved.kinds) == [PERSON]
    created = await new_account(tenant.customer, tenant.admin, kind=PERSON)
    assert (created.restricted, created.restricted_by) == (True, RULE)
    await tenant.comes_to(before, True, RULE)
    assert await tenant.of(company) == (False, 0)
    history = await changes_of(tenant.customer, "accounts", before.id, tenant.admin.metadata)
    assert [each.action for each in history.changes] == ["RESTRICTED", "CREATED"]
    await tenant.restrict(kinds=[ORGANIZATION])
    for account, restricted in ((before, False), (created, False), (company, True)):
        await tenant.comes_to(account, restricted, RULE if restricted else 0)
    # Where nothing is named nothing is restricted.
    await tenant.restrict()
    await tenant.comes_to(company, False, 0)


async def test_an_account_that_comes_to_a_tier_is_restricted_and_is_open_when_it_leaves_it(tenant: Tenant) -> None:
    await tenant.restrict(value_tiers=[KEY])
    account = await new_account(tenant.customer, tenant.admin)
    assert not account.restricted
    for version, (tier, restricted) in enumerate(((ValueTier.KEY, True), (ValueTier.SMALL, False)), start=1):
        async with tenant.customer.unit_of_work(tenant.admin.tenant_id) as work:
            project_value_tier(work, UUID(account.id), tier, version=version)
        await tenant.comes_to(account, restricted, RULE if restricted else 0)


async def test_an_account_whose_tier_comes_to_be_true_while_others_are_looked_at_is_restricted_soon(
    tenant: Tenant,
) -> None:
    await tenant.restrict(value_tiers=[KEY])
    one, other = [await new_account(tenant.customer, tenant.admin) for _ in range(2)]

    async def is_put_off() -> bool:
        async with tenant.customer.unit_of_work(tenant.admin.tenant_id) as reader:
            row = await reader.one(compile_statement(select(account_restrictions.c.due_time)))
        return row is not None and row["due_time"] > reader.now

    async def has_looked() -> bool:
        """A look is over: it has put the next one off, or would, and waits for a unit that asks for one."""
        async with tenant.customer.service.database.connection(ALL_TENANTS) as connection:
            return await is_put_off() or bool(await connection.fetchval(WAITING))

    await eventually(is_put_off)
    async with tenant.customer.unit_of_work(tenant.admin.tenant_id) as work:
        project_value_tier(work, UUID(one.id), ValueTier.KEY, version=1)
    async with tenant.customer.unit_of_work(tenant.admin.tenant_id) as late:
        project_value_tier(late, UUID(other.id), ValueTier.KEY, version=1)
        await late.flush()
        await tenant.comes_to(one, True, RULE)
        # What a look does not see yet is not forgotten for it: it is not the last one.
        await eventually(has_looked)
    await tenant.comes_to(other, True, RULE)


async def test_what_somebody_has_decided_stays_whatever_the_rule_says(tenant: Tenant) -> None:
    opened, closed, other = [await new_account(tenant.customer, tenant.admin) for _ in range(3)]
    await tenant.restrict(kinds=[ORGANIZATION])
    await tenant.comes_to(opened, True, RULE)
    by_hand: Any = {"reason": "known to all"}
    await tenant.accounts.UnrestrictAccount(
        accounts_pb2.UnrestrictAccountRequest(id=opened.id, **by_hand), metadata=tenant.admin.metadata
    )
    await tenant.comes_to(closed, True, RULE)
    await tenant.accounts.RestrictAccount(
        accounts_pb2.RestrictAccountRequest(id=closed.id, **by_hand), metadata=tenant.admin.metadata
    )
    # Nor does a change of the account, or another rule.
    await renamed(tenant.accounts, tenant.admin, opened.id, "华信")
    await tenant.restrict()
    await tenant.comes_to(other, False, 0)
    assert (await tenant.of(opened), await tenant.of(closed)) == ((False, HAND), (True, HAND))


async def test_many_accounts_are_restricted_a_few_at_a_time(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(restricting, "BATCH", 2)
    accounts = [await new_account(tenant.customer, tenant.admin) for _ in range(5)]
    await tenant.restrict(kinds=[ORGANIZATION])
    async with tenant.customer.unit_of_work(tenant.admin.tenant_id) as work:
        assert len(await restricting.others_than(work, RULE_OF_COMPANIES)) <= 2
    for account in accounts:
        await tenant.comes_to(account, True, RULE)


async def test_a_rule_is_set_by_who_may_restrict_all_accounts_and_has_seen_it(tenant: Tenant) -> None:
    manager = await tenant.customer.user(tenant.admin.tenant_id, grants={"accounts.restrict": Scope.TEAM})
    with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
        await tenant.restrict(by=manager, kinds=[PERSON])
    saved = await tenant.restrict(kinds=[PERSON])
    request = pb.GetAccountRestrictionRequest()
    assert await tenant.restrictions.GetAccountRestriction(request, metadata=manager.metadata) == saved
    await tenant.restrict(value_tiers=[KEY], etag=saved.etag)
    with refused("ABORTED", "ETAG_MISMATCH"):
        await tenant.restrict(kinds=[PERSON], etag=saved.etag)
