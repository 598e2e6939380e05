"""Tenants that were there before quality rules were: they get those that others begin with, once."""

import asyncio

from crm.customer.v1 import quality_rules_pb2 as pb
from crm.customer.v1.quality_rules_pb2_grpc import QualityRuleServiceStub
from crm_customer.directory.opening import Opening, open_tenant
from crm_customer.directory.tenants.queries import find_tenant
from crm_customer.records.quality_rules.defaults import DEFAULT_RULES
from crm_customer.records.quality_rules.providing import RuleProviding
from crm_kit.background import Tenant, Tenants
from crm_kit.clock import TenantClock, system_now
from crm_kit.ids import new_id

from tests.service.customer.companies import QUICK
from tests.service.customer.customers import new_account
from tests.service.running import Running, User


async def listed(customer: Running, by: User) -> list[pb.QualityRule]:
    stub = QualityRuleServiceStub(customer.channel)
    return list((await stub.ListQualityRules(pb.ListQualityRulesRequest(), metadata=by.metadata)).quality_rules)


async def test_a_tenant_without_rules_gets_them_once_and_keeps_what_it_has_put_away(customer: Running) -> None:
    database = customer.service.database
    opening = Opening(f"c{new_id().hex[-12:]}", "Company", "admin@company.test", "Administrator", "a long password")
    tenant_id, _ = await open_tenant(database, QUICK, opening)
    admin = await customer.user(tenant_id)
    # What is known of no tenant that was opened here has no rules to get.
    unopened = await customer.user()
    providing = RuleProviding(Tenants(database, TenantClock(database)), find_tenant)
    tenant = Tenant(tenant_id, active=True, now=system_now(), time_zone="Asia/Shanghai")
    assert sorted(await asyncio.gather(*(providing.provide(tenant) for _ in range(3)))) == [False, False, True]
    assert not await providing.provide(
        Tenant(unopened.tenant_id, active=True, now=system_now(), time_zone="Asia/Shanghai")
    )
    rules = await listed(customer, admin)
    assert sorted(each.display_name for each in rules) == sorted(each["display_name"] for each in DEFAULT_RULES)
    assert await listed(customer, unopened) == []
    assert (await new_account(customer, admin, industry="power")).completeness == 20
    stub = QualityRuleServiceStub(customer.channel)
    for each in rules:
        await stub.ArchiveQualityRule(pb.ArchiveQualityRuleRequest(id=each.id), metadata=admin.metadata)
    assert not await providing.provide(tenant)
