"""Tenants through their contract: the test clock, opening, and the demo."""

import asyncio
import os
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import msgspec
import pytest
from crm.customer.v1 import events_pb2
from crm.customer.v1 import tenants_pb2 as pb
from crm.customer.v1.teams_pb2 import ListTeamsRequest
from crm.customer.v1.teams_pb2_grpc import TeamServiceStub
from crm.customer.v1.tenants_pb2_grpc import TenantServiceStub
from crm.customer.v1.tokens_pb2 import CreateTokenRequest, GetSigningKeysRequest
from crm.customer.v1.tokens_pb2_grpc import TokenServiceStub
from crm.resource.v1 import resources_pb2
from crm.resource.v1.resources_pb2_grpc import ResourceServiceStub
from crm_customer.command_line import command_of
from crm_customer.demo.custom_fields import ACCOUNT_FIELDS
from crm_customer.demo.people import ADMIN_LOGIN, ADMIN_NAME, SLUG, TEAMS, USERS
from crm_customer.demo.rules import RULES
from crm_customer.demo.seeding import seed_demo
from crm_customer.demo.segments import SEGMENTS
from crm_customer.demo.views import VIEWS
from crm_customer.directory.opening import Opening, open_tenant
from crm_customer.directory.tenants.commands import reserve_slug
from crm_customer.directory.tenants.model import MAX_CLOCK_OFFSET
from crm_customer.settings import CustomerSettings
from crm_kit.errors import InvalidArgument
from crm_kit.identity.access import Scope
from crm_kit.ids import new_id
from crm_local.testing import Servers
from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask

from tests.service.automating import Rules
from tests.service.customer.companies import PASSWORD, QUICK, Company, open_company
from tests.service.customer.customers import new_account
from tests.service.customer.test_field_rights import hiding
from tests.service.history import changes_of
from tests.service.running import Running, refused

if TYPE_CHECKING:
    from crm.customer.v1.tenants_pb2_grpc import TenantServiceAsyncStub
    from crm.resource.v1.resources_pb2_grpc import ResourceServiceAsyncStub

DAY = 86_400


@pytest.fixture
def tenants(customer: Running) -> "TenantServiceAsyncStub":
    return TenantServiceStub(customer.channel)


@pytest.fixture
async def sandbox(customer: Running) -> Company:
    return await open_company(customer, sandbox=True)


def advance(seconds: int) -> pb.AdvanceTestClockRequest:
    return pb.AdvanceTestClockRequest(duration=Duration(seconds=seconds))


def ahead(tenant: pb.Tenant) -> timedelta:
    """How far the tenant's time is ahead of ours."""
    return tenant.current_time.ToDatetime(tzinfo=UTC) - datetime.now(UTC)


async def test_everyone_of_a_tenant_reads_it(tenants: "TenantServiceAsyncStub", company: Company) -> None:
    user = company.acting(await company.user())
    tenant = await tenants.GetTenant(pb.GetTenantRequest(), metadata=user.metadata)
    assert (tenant.id, tenant.slug, tenant.active, tenant.sandbox) == (
        str(company.tenant_id),
        company.slug,
        True,
        False,
    )
    assert abs(ahead(tenant)) < timedelta(seconds=10)


async def test_a_tenant_is_a_record_like_any_other_and_the_only_one_of_its_kind(
    customer: Running, tenants: "TenantServiceAsyncStub", company: Company, sandbox: Company
) -> None:
    metadata = company.admin.metadata
    before = await tenants.GetTenant(pb.GetTenantRequest(), metadata=metadata)
    await tenants.UpdateTenant(pb.UpdateTenantRequest(tenant=pb.Tenant(time_zone="Europe/Berlin")), metadata=metadata)
    page = await changes_of(customer, "tenants", before.id, metadata)
    assert [each.action for each in page.changes] == ["UPDATED", "CREATED"]
    (zone,) = page.changes[0].fields
    assert (zone.field, zone.new_value.string_value) == ("time_zone", "Europe/Berlin")
    records: ResourceServiceAsyncStub = ResourceServiceStub(customer.channel)
    as_of = resources_pb2.GetRecordAsOfRequest(collection="tenants", id=before.id, read_time=before.update_time)
    then = await records.GetRecordAsOf(as_of, metadata=metadata)
    assert pb.Tenant.FromString(then.SerializeToString()).time_zone == before.time_zone
    asked = resources_pb2.GetRecordActionsRequest(collection="tenants", id=before.id)
    (action,) = (await records.GetRecordActions(asked, metadata=metadata)).actions
    assert (action.rpc, action.reason) == ("AdvanceTestClock", "NOT_A_SANDBOX")
    both = [before.id, str(sandbox.tenant_id)]
    found = await records.BatchGetRecords(
        resources_pb2.BatchGetRecordsRequest(collection="tenants", ids=both), metadata=metadata
    )
    assert (len(found.records), list(found.missing_ids)) == (1, both[1:])
    count = await records.CountRecords(resources_pb2.CountRecordsRequest(collection="tenants"), metadata=metadata)
    assert count.count == 1


async def test_the_clock_of_a_real_tenant_cannot_be_moved(tenants: "TenantServiceAsyncStub", company: Company) -> None:
    with refused("FAILED_PRECONDITION", "NOT_A_SANDBOX"):
        await tenants.AdvanceTestClock(advance(DAY), metadata=company.admin.metadata)


async def test_an_advanced_clock_is_the_time_of_the_next_call(
    tenants: "TenantServiceAsyncStub", sandbox: Company
) -> None:
    moved = await tenants.AdvanceTestClock(advance(3 * DAY), metadata=sandbox.admin.metadata)
    read = await tenants.GetTenant(pb.GetTenantRequest(), metadata=sandbox.admin.metadata)
    for tenant in (moved, read):
        assert tenant.clock_offset.ToTimedelta() == timedelta(days=3)
        assert abs(ahead(tenant) - timedelta(days=3)) < timedelta(seconds=10)
    user = await sandbox.user()
    created = user.create_time.ToDatetime(tzinfo=UTC)
    assert abs(created - datetime.now(UTC) - timedelta(days=3)) < timedelta(seconds=10)


async def test_advances_add_up_and_are_told_with_growing_versions(
    tenants: "TenantServiceAsyncStub", sandbox: Company
) -> None:
    once = await tenants.AdvanceTestClock(advance(DAY), metadata=sandbox.admin.metadata)
    twice = await tenants.AdvanceTestClock(advance(DAY), metadata=sandbox.admin.metadata)
    created, *told = await sandbox.told(str(sandbox.tenant_id))
    assert isinstance(created, events_pb2.TenantCreated)
    assert told == [events_pb2.TenantClockAdvanced(tenant=once), events_pb2.TenantClockAdvanced(tenant=twice)]
    assert twice.clock_offset.ToTimedelta() == timedelta(days=2)
    assert twice.update_time == twice.current_time


async def test_an_advance_with_a_key_happens_once(tenants: "TenantServiceAsyncStub", sandbox: Company) -> None:
    first = await tenants.AdvanceTestClock(advance(DAY), metadata=sandbox.admin.with_key("once"))
    again = await tenants.AdvanceTestClock(advance(DAY), metadata=sandbox.admin.with_key("once"))
    assert again == first
    read = await tenants.GetTenant(pb.GetTenantRequest(), metadata=sandbox.admin.metadata)
    assert read.clock_offset.ToTimedelta() == timedelta(days=1)


async def test_advances_at_the_same_time_all_count(tenants: "TenantServiceAsyncStub", sandbox: Company) -> None:
    await asyncio.gather(*(tenants.AdvanceTestClock(advance(DAY), metadata=sandbox.admin.metadata) for _ in range(4)))
    read = await tenants.GetTenant(pb.GetTenantRequest(), metadata=sandbox.admin.metadata)
    assert read.clock_offset.ToTimedelta() == timedelta(days=4)


@pytest.mark.parametrize("seconds", [0, -1, 315_360_001])
async def test_the_clock_goes_forward_by_ten_years_at_most(
    tenants: "TenantServiceAsyncStub", sandbox: Company, seconds: int
) -> None:
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT"):
        await tenants.AdvanceTestClock(advance(seconds), metadata=sandbox.admin.metadata)


async def test_the_clock_never_gets_more_than_a_hundred_years_ahead(
    tenants: "TenantServiceAsyncStub", sandbox: Company
) -> None:
    for _ in range(10):
        await tenants.AdvanceTestClock(advance(315_360_000), metadata=sandbox.admin.metadata)
    left = MAX_CLOCK_OFFSET - timedelta(seconds=3_153_600_000)
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT"):
        await tenants.AdvanceTestClock(advance(int(left.total_seconds()) + 1), metadata=sandbox.admin.metadata)


async def test_moving_the_clock_takes_the_permission_for_the_whole_tenant(
    tenants: "TenantServiceAsyncStub", sandbox: Company
) -> None:
    nobody = sandbox.acting(await sandbox.user())
    team_only = sandbox.acting(await sandbox.user(await sandbox.role(tenant_write=Scope.TEAM)))
    for user in (nobody, team_only):
        with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
            await tenants.AdvanceTestClock(advance(DAY), metadata=user.metadata)


async def test_opening_a_tenant_again_finds_it(customer: Running, company: Company) -> None:
    opening = Opening(company.slug, "Other", "other@company.test", "Other", PASSWORD)
    assert await open_tenant(customer.service.database, QUICK, opening) == (company.tenant_id, False)


async def test_a_tenant_whose_opening_broke_off_is_opened_by_the_next(customer: Running) -> None:
    slug = f"c{new_id().hex[-12:]}"
    reserved = await reserve_slug(customer.service.database, slug)
    opening = Opening(slug, "Company", "admin@company.test", "Administrator", PASSWORD)
    assert await open_tenant(customer.service.database, QUICK, opening) == (reserved, True)


async def test_openings_at_the_same_time_make_one_tenant(customer: Running) -> None:
    opening = Opening(f"c{new_id().hex[-12:]}", "Company", "admin@company.test", "Administrator", PASSWORD)
    answers = await asyncio.gather(*(open_tenant(customer.service.database, QUICK, opening) for _ in range(4)))
    assert len({id for id, _ in answers}) == 1
    assert sorted(is_new for _, is_new in answers) == [False, False, False, True]


@pytest.mark.parametrize("slug", ["", "Huaxin", "a b", "-a", "a-", "x" * 64, "华信"])
async def test_a_slug_is_a_host_name(customer: Running, slug: str) -> None:
    with pytest.raises(InvalidArgument):
        await reserve_slug(customer.service.database, slug)


async def test_the_demo_is_made_once_however_often_it_is_seeded(customer: Running) -> None:
    service = customer.service
    all_at_once = await asyncio.gather(*(seed_demo(service, QUICK, PASSWORD) for _ in range(4)))
    assert sum(made.teams for made in all_at_once) == len(TEAMS)
    assert sum(made.users for made in all_at_once) == len(USERS)
    assert sum(made.custom_fields for made in all_at_once) == len(ACCOUNT_FIELDS)
    assert sum(made.dashboards for made in all_at_once) == 1
    assert sum(made.views for made in all_at_once) == len(VIEWS)
    assert sum(made.automation_rules for made in all_at_once) == sum(map(len, RULES.values()))
    assert sum(made.feeds for made in all_at_once) == 1
    assert sum(made.segments for made in all_at_once) == len(SEGMENTS)
    again = await seed_demo(service, QUICK, "another password")
    assert (again.tenant, again.is_more) == (False, False)
    issuer = TokenServiceStub(customer.channel)
    for login in (ADMIN_LOGIN, *(user.login for user in USERS)):
        token = await issuer.CreateToken(CreateTokenRequest(tenant=SLUG, login=login, password=PASSWORD))
        assert token.access_token
    somebody = await customer.user(again.tenant_id)
    (rule,) = await Rules(customer.channel, "contacts").listed(somebody, filter="state = ACTIVE")
    assert (rule.trigger.date_reached.field, rule.activator_name) == ("birth_date", ADMIN_NAME)
    page = await TeamServiceStub(customer.channel).ListTeams(ListTeamsRequest(), metadata=somebody.metadata)
    led = {team.display_name: team.leader_name for team in page.teams if team.leader_id}
    names = {user.login: user.display_name for user in USERS}
    assert led == {team.display_name: names[team.leader] for team in TEAMS if team.leader}


# --- what an operator does by command


@dataclass(frozen=True)
class Ended:
    """A command that has ended."""

    code: int
    out: str
    err: str


async def run_command(servers: Servers, *arguments: str, **variables: str) -> Ended:
    """Run `python -m crm_customer ...` as an operator does."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "crm_customer", *arguments,
        env=os.environ | servers.environment("customer") | variables,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await process.communicate()
    return Ended(process.returncode or 0, out.decode(), err.decode())


async def test_an_operator_creates_a_tenant_once(customer: Running, servers: Servers) -> None:
    slug = f"c{new_id().hex[-12:]}"
    arguments = ("create-tenant", slug, "华信电力", "Chief@Huaxin.test", "--sandbox")
    made = await run_command(servers, *arguments, CRM_ADMIN_PASSWORD=PASSWORD)
    assert made.code == 0, made.err
    assert made.out.startswith(f"tenant {slug} (华信电力): made")
    issuer = TokenServiceStub(customer.channel)
    token = await issuer.CreateToken(CreateTokenRequest(tenant=slug, login="chief@huaxin.test", password=PASSWORD))
    assert token.access_token
    again = await run_command(servers, *arguments, CRM_ADMIN_PASSWORD=PASSWORD)
    assert (again.code, again.out, again.err) == (1, "", f"tenant {slug} exists already\n")


@pytest.mark.parametrize(
    ("arguments", "detail"),
    [
        (("create-tenant", "huaxin", "Huaxin", "a@b.test"), "CRM_ADMIN_PASSWORD must hold a password"),
        (("seed-demo",), "CRM_DEMO_PASSWORD must hold a password"),
    ],
)
async def test_a_command_says_which_password_is_missing(
    customer: Running, arguments: tuple[str, ...], detail: str
) -> None:
    settings = customer.service.settings
    assert isinstance(settings, CustomerSettings)
    command = command_of(arguments)
    assert command is not None
    for password in ("", "short"):
        given = msgspec.structs.replace(settings, demo_password=password, admin_password=password)
        with pytest.raises(InvalidArgument, match=detail):
            await command(customer.service, given)


async def test_the_demo_and_the_keys_are_made_by_command(customer: Running) -> None:
    settings = customer.service.settings
    assert isinstance(settings, CustomerSettings)
    given = msgspec.structs.replace(settings, demo_password=PASSWORD)
    seed, rotate = command_of(["seed-demo"]), command_of(["rotate-keys"])
    assert seed is not None
    assert rotate is not None
    await seed(customer.service, given)
    assert await seed(customer.service, given) == "tenant demo (Huaxin Power): all there"
    rotated = await rotate(customer.service, given)
    keys = await TokenServiceStub(customer.channel).GetSigningKeys(GetSigningKeysRequest())
    assert keys.keys[0].kid in rotated
    assert command_of(["serve"]) is None


async def test_an_administrator_says_where_telephone_numbers_without_country_code_are(
    tenants: "TenantServiceAsyncStub", company: Company, customer: Running
) -> None:
    admin = company.acting(await company.user(await company.role(tenant_write=Scope.ALL, accounts_write=Scope.ALL)))
    assert (await tenants.GetTenant(pb.GetTenantRequest(), metadata=admin.metadata)).default_region == "CN"
    request = pb.UpdateTenantRequest(tenant=pb.Tenant(default_region="DE"))
    assert (await tenants.UpdateTenant(request, metadata=admin.metadata)).default_region == "DE"
    assert (await new_account(customer, admin, phone_numbers=["030 901820"])).phone_numbers == ["+4930901820"]
    request = pb.UpdateTenantRequest(tenant=pb.Tenant(default_region="ZZ"))
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
        await tenants.UpdateTenant(request, metadata=admin.metadata)
    assert refusal.fields == ["tenant.default_region"]


async def test_an_administrator_changes_the_time_zone_of_the_tenant(
    tenants: "TenantServiceAsyncStub", company: Company, customer: Running
) -> None:
    admin = company.acting(await company.user(await company.role(tenant_write=Scope.ALL)))
    read = await tenants.GetTenant(pb.GetTenantRequest(), metadata=admin.metadata)
    assert read.time_zone == "Asia/Shanghai"
    request = pb.UpdateTenantRequest(tenant=pb.Tenant(time_zone="America/New_York", etag=read.etag))
    changed = await tenants.UpdateTenant(request, metadata=admin.metadata)
    assert (changed.time_zone, changed.slug, changed.etag > read.etag) == ("America/New_York", company.slug, True)
    assert (await tenants.GetTenant(pb.GetTenantRequest(), metadata=admin.metadata)).time_zone == "America/New_York"
    with refused("ABORTED", "ETAG_MISMATCH"):
        await tenants.UpdateTenant(request, metadata=admin.metadata)
    request = pb.UpdateTenantRequest(tenant=pb.Tenant(time_zone="Moon/Tranquility"))
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
        await tenants.UpdateTenant(request, metadata=admin.metadata)
    assert refusal.fields == ["tenant.time_zone"]
    for role in (await company.role(accounts_read=Scope.ALL), await company.role(tenant_write=Scope.TEAM)):
        member = company.acting(await company.user(role))
        with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
            await tenants.UpdateTenant(request, metadata=member.metadata)


async def test_an_administrator_says_after_how_many_working_days_proposals_go_up(
    tenants: "TenantServiceAsyncStub", company: Company
) -> None:
    admin = company.acting(await company.user(await company.role(tenant_write=Scope.ALL)))
    assert (await tenants.GetTenant(pb.GetTenantRequest(), metadata=admin.metadata)).change_proposal_days == 3
    request = pb.UpdateTenantRequest(tenant=pb.Tenant(change_proposal_days=10))
    assert (await tenants.UpdateTenant(request, metadata=admin.metadata)).change_proposal_days == 10
    for days in (-1, 61):
        request = pb.UpdateTenantRequest(tenant=pb.Tenant(change_proposal_days=days))
        with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
            await tenants.UpdateTenant(request, metadata=admin.metadata)
        assert refusal.fields == ["tenant.change_proposal_days"]


async def test_nobody_has_shown_to_everybody_what_they_do_not_see_themselves(
    tenants: "TenantServiceAsyncStub", company: Company
) -> None:
    def shows(*fields: str) -> pb.UpdateTenantRequest:
        mask = FieldMask(paths=["unmasked_fields"])
        return pb.UpdateTenantRequest(tenant=pb.Tenant(unmasked_fields=fields), update_mask=mask)

    await tenants.UpdateTenant(shows("leads.phone_number"), metadata=company.admin.metadata)
    settings = await company.role(tenant_write=Scope.ALL)
    own = await company.role(tenant_write=Scope.ALL, leads_read=Scope.OWN)
    without = await hiding(
        company, "leads.email", grants={"tenant.write": Scope.ALL, "leads.read": Scope.ALL, "leads.write": Scope.ALL}
    )
    for role, rule in ((settings, "beyond"), (own, "beyond"), (without, "hidden_field")):
        clerk = company.acting(await company.user(role))
        for fields in (("leads.email",), ("leads.email", "leads.phone_number")):
            with refused("PERMISSION_DENIED", "PERMISSION_DENIED") as refusal:
                await tenants.UpdateTenant(shows(*fields), metadata=clerk.metadata)
            assert refusal.metadata["rule"] == rule
        # What is shown already may stay, and hiding it takes no more.
        await tenants.UpdateTenant(shows("leads.phone_number"), metadata=clerk.metadata)
    await tenants.UpdateTenant(shows(), metadata=company.acting(await company.user(settings)).metadata)


async def test_an_administrator_says_what_everybody_sees_of_leads_in_the_pool(
    tenants: "TenantServiceAsyncStub", company: Company
) -> None:
    admin = company.acting(await company.user(await company.role(tenant_write=Scope.ALL, leads_read=Scope.ALL)))
    assert list((await tenants.GetTenant(pb.GetTenantRequest(), metadata=admin.metadata)).unmasked_fields) == []
    for fields in (["leads.email"], ["leads.phone_number", "leads.email"], []):
        mask = FieldMask(paths=["unmasked_fields"])
        request = pb.UpdateTenantRequest(tenant=pb.Tenant(unmasked_fields=fields), update_mask=mask)
        assert list((await tenants.UpdateTenant(request, metadata=admin.metadata)).unmasked_fields) == fields
    told = await company.told(str(company.tenant_id))
    updates = [each.tenant for each in told if isinstance(each, events_pb2.TenantUpdated)]
    assert [list(each.unmasked_fields) for each in updates] == [
        ["leads.email"],
        ["leads.phone_number", "leads.email"],
        [],
    ]
    for wrong in (["leads.display_name"], ["email"], ["leads.email", "leads.email"]):
        request = pb.UpdateTenantRequest(tenant=pb.Tenant(unmasked_fields=wrong))
        with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT"):
            await tenants.UpdateTenant(request, metadata=admin.metadata)
