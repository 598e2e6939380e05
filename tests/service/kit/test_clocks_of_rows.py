"""Rows that go by their age have it by the clock that writes them, which their table says.

What each table is written by is done through the contract, in sandboxes whose clock is years away.
"""

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from uuid import UUID

import grpc
import pytest
from crm.customer.v1 import accounts_pb2, imports_pb2, source_values_pb2, tokens_pb2
from crm.customer.v1.accounts_pb2_grpc import AccountServiceStub
from crm.customer.v1.imports_pb2_grpc import ImportServiceStub
from crm.customer.v1.source_values_pb2_grpc import SourceValueServiceStub
from crm.customer.v1.tokens_pb2_grpc import TokenServiceStub
from crm.sales.v1 import leads_pb2
from crm.sales.v1.leads_pb2_grpc import LeadServiceStub
from crm.scoring.v1 import credit_pb2
from crm.scoring.v1.credit_pb2_grpc import CreditServiceStub
from crm.service_desk.v1 import channels_pb2, mailboxes_pb2
from crm.service_desk.v1.mailboxes_pb2_grpc import MailboxServiceStub
from crm_kit import plumbing
from crm_kit.background import Tenants
from crm_kit.clock import system_now
from crm_kit.database.statements import compile_statement
from crm_kit.database.tables import Clock
from crm_kit.ids import new_id
from crm_kit.resource.values import to_value
from crm_kit.retention import tables_with_retention
from crm_service_desk.mailboxes.commands import put_aside
from sqlalchemy import Table, bindparam, select

from tests.service.automating import Rules, action, create, settled
from tests.service.customer.companies import ADMIN_LOGIN, PASSWORD, Company, open_company
from tests.service.customer.customers import new_account as new_customer
from tests.service.customer.feeds.bringing import bringing_by
from tests.service.customer.imports.calls import ENDED, as_csv
from tests.service.customer.openid_provider import OpenIdProvider, serving
from tests.service.customer.sign_ins import with_provider
from tests.service.customer.webhooks.hooks import Hooks
from tests.service.customer.webhooks.receiving import Receiver
from tests.service.eventually import eventually
from tests.service.running import Running, User
from tests.service.sales.selling import known_account, owner_changed
from tests.service.scoring.business import money, new_account, paid_in_advance, reversed_payment, tell
from tests.service.scoring.credit import as_sales
from tests.service.service_desk.desk import Desk
from tests.service.service_desk.intake import intake_of
from tests.service.service_desk.telephony import telephony_of

AHEAD = timedelta(days=3650)
# Longer than any row stays.
NEAR = timedelta(days=400)


def tables_of(service: Running) -> dict[str, Table]:
    """The service's own tables whose rows go."""
    return {table.name: table for table in tables_with_retention(service.service.metadata)}


async def clock_of(service: Running, tenant_id: UUID, table: Table) -> Clock:
    """Whose clock wrote the rows of a tenant; there have to be some."""
    column = table.c[table.info["retention"].column]
    query = compile_statement(select(column).where(table.c.tenant_id == bindparam("tenant_id"), column.is_not(None)))
    rows = await service.service.database.all(tenant_id, query, {"tenant_id": tenant_id})
    times = [instant_of(row[0]) for row in rows]
    assert times, f"{table.name} has no rows"
    now = system_now()
    (clock,) = {Clock.TENANT if abs(now + AHEAD - time) < NEAR else Clock.SYSTEM for time in times}
    assert clock is Clock.TENANT or all(abs(now - time) < NEAR for time in times)
    return clock


def instant_of(time: datetime | date) -> datetime:
    return time if isinstance(time, datetime) else datetime.fromisoformat(f"{time}T00:00:00+00:00")


async def check(service: Running, tenant_id: UUID, tables: Iterable[Table]) -> None:
    for table in tables:
        assert await clock_of(service, tenant_id, table) is table.info["retention"].clock, table.name


async def sandbox(service: Running) -> User:
    """Somebody in a sandbox whose clock is years ahead."""
    user = await service.user(await service.tenant(sandbox=True))
    await service.know_tenant(user.tenant_id, sandbox=True, clock_offset=AHEAD, version=2)
    return user


async def test_of_customer(customer: Running) -> None:
    company = await open_company(customer)
    async with serving(OpenIdProvider()) as openid:
        firm = await with_provider(company, openid)
        await customer.know_tenant(company.tenant_id, sandbox=True, clock_offset=AHEAD, version=99)
        await sign_in(company)
        await firm.sign_in(await company.user())
        await import_a_bad_row(company)
        await bring_a_file(company)
        await tell_an_endpoint(company)
        await read_what_is_restricted(company)
        await withdraw_what_a_source_says(company)
        await check(customer, company.tenant_id, tables_of(customer).values())


async def sign_in(company: Company) -> None:
    stub = TokenServiceStub(company.customer.channel)
    for password in (PASSWORD, "another"):
        request = tokens_pb2.CreateTokenRequest(tenant=company.slug, login=ADMIN_LOGIN, password=password)
        try:
            await stub.CreateToken(request)
        except grpc.aio.AioRpcError as error:
            assert (error.code(), password) == (grpc.StatusCode.UNAUTHENTICATED, "another")


async def import_a_bad_row(company: Company) -> None:
    stub, metadata = ImportServiceStub(company.customer.channel), company.admin.metadata
    file = as_csv([["客户名称", "客户等级"], ["", "没有"]])
    upload = await stub.CreateUpload(
        imports_pb2.CreateUploadRequest(file_name="a.csv", total_bytes=len(file)), metadata=metadata
    )
    await stub.AppendUpload(imports_pb2.AppendUploadRequest(id=upload.id, content=file), metadata=metadata)
    job = imports_pb2.Import(upload_id=upload.id, mode=imports_pb2.Import.MODE_CREATE)
    made = await stub.CreateImport(imports_pb2.CreateImportRequest(job=job), metadata=metadata)

    async def ended() -> bool:
        return (await stub.GetImport(imports_pb2.GetImportRequest(id=made.id), metadata=metadata)).state in ENDED

    await eventually(ended)


async def bring_a_file(company: Company) -> None:
    bringing = bringing_by(company.customer, company.admin)
    await bringing.ended(await bringing.bring(await bringing.feed(), 0, [("K-1", "华信电力", "power")]))


async def tell_an_endpoint(company: Company) -> None:
    """Of an account that is created; where nobody answers."""
    nowhere = "http://127.0.0.1:1/"
    hooks = Hooks(company.customer, Receiver(nowhere), company.admin)
    await hooks.create()
    await hooks.noted((await hooks.account()).id)


async def read_what_is_restricted(company: Company) -> None:
    account = await new_customer(company.customer, company.admin)
    stub, metadata = AccountServiceStub(company.customer.channel), company.admin.metadata
    await stub.RestrictAccount(
        accounts_pb2.RestrictAccountRequest(id=account.id, etag=account.etag, reason="key account"), metadata=metadata
    )
    await stub.GetAccount(accounts_pb2.GetAccountRequest(id=account.id), metadata=metadata)


async def withdraw_what_a_source_says(company: Company) -> None:
    account = await new_customer(company.customer, company.admin)
    stub, metadata = SourceValueServiceStub(company.customer.channel), company.admin.metadata
    said = {"industry": to_value("steel")}
    request = source_values_pb2.StateAccountSourceValuesRequest(id=account.id, source="sap", values=said)
    told = await stub.StateAccountSourceValues(request, metadata=metadata)
    withdrawn = source_values_pb2.WithdrawAccountSourceValueRequest(
        id=account.id, source_value_id=told.source_values[0].id
    )
    await stub.WithdrawAccountSourceValue(withdrawn, metadata=metadata)


async def test_of_sales(sales: Running) -> None:
    user = await sandbox(sales)
    await Rules(sales.channel, "leads").active(user, action("update", source="fair"))
    stub = LeadServiceStub(sales.channel)
    lead = leads_pb2.Lead(display_name="张伟", company_name="华信电力")
    made = await stub.CreateLead(leads_pb2.CreateLeadRequest(lead=lead, to_pool=True), metadata=user.metadata)
    await stub.ClaimLead(leads_pb2.ClaimLeadRequest(id=made.id), metadata=user.metadata)
    account_id, other = await known_account(sales, user.tenant_id, user), await sales.user(user.tenant_id)
    await sales.service.consumers.apply(owner_changed(account_id, user, 2, user, other))
    await settled(sales, user.tenant_id)
    await check(sales, user.tenant_id, [*tables_of(sales).values(), plumbing.automation_runs])


async def test_of_scoring(scoring: Running) -> None:
    user = await sandbox(scoring)
    account_id = await new_account(scoring, user.tenant_id)
    request = credit_pb2.CheckCreditRequest(
        account_id=str(account_id), order_id=str(new_id()), order_version=1, amount=money(100)
    )
    await CreditServiceStub(scoring.channel).CheckCredit(request, metadata=as_sales(scoring, user.tenant_id))
    paid = paid_in_advance(user.tenant_id, account_id, 100)
    await tell(scoring, paid, reversed_payment(paid))
    await check(scoring, user.tenant_id, tables_of(scoring).values())


async def test_of_the_service_desk(service_desk: Running) -> None:
    user = await sandbox(service_desk)
    desk = Desk(service_desk, user)
    intake = await intake_of(desk)
    await (await telephony_of(desk)).dial()
    values = mailboxes_pb2.Mailbox(channel_id=intake.mailbox.id, host="127.0.0.1", port=1993, login="x@huaxin.example")
    request = mailboxes_pb2.CreateMailboxRequest(mailbox=values)
    mailbox = await MailboxServiceStub(service_desk.channel).CreateMailbox(request, metadata=user.metadata)
    own = service_desk.service
    async with Tenants(own.database, own.clock).unit(user.tenant_id) as work:
        put_aside(work, UUID(mailbox.id), 1, 1, reason="INTERNAL", detail="an internal error")
    sms = await intake.channel(
        kind=channels_pb2.Channel.KIND_SMS, case_opening=channels_pb2.Channel.CASE_OPENING_EVERYBODY
    )
    writes = create("outbound_messages", case_id="{{record.id}}", text="我们已收到")
    await Rules(service_desk.channel, "cases").active(user, writes)
    await intake.bring(channel_id=sms.id, from_address="+8613800138000")
    await settled(service_desk, user.tenant_id)
    await check(service_desk, user.tenant_id, tables_of(service_desk).values())


SHARED = [table for table in tables_with_retention(plumbing.metadata) if table.info["plumbing"]]


@pytest.mark.parametrize("table", SHARED, ids=lambda table: table.name)
def test_of_plumbing(table: Table) -> None:
    """All tenants' at once, so by no tenant's clock: the database writes the time itself."""
    retention = table.info["retention"]
    assert retention.clock is Clock.SYSTEM
    assert table.c[retention.column].server_default is not None or table is plumbing.outbox
