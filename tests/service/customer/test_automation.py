"""Rules on accounts and contacts, through the contract."""

from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

from crm.customer.v1 import accounts_pb2, contacts_pb2, interactions_pb2
from crm.customer.v1.accounts_pb2_grpc import AccountServiceStub
from crm.customer.v1.contacts_pb2_grpc import ContactServiceStub
from crm.customer.v1.interactions_pb2_grpc import InteractionServiceStub
from crm_kit.clock import system_now
from crm_kit.zones import DEFAULT_ZONE

from tests.service.automating import SUCCEEDED, Rule, Rules, action, create, looked, notify, on, reaches, settled
from tests.service.clocks import until_noon
from tests.service.customer.customers import new_account, new_contact
from tests.service.running import Running


async def test_an_account_and_its_contacts_are_changed_by_rules(customer: Running) -> None:
    user = await customer.user()
    accounts: Any = AccountServiceStub(customer.channel)
    contacts: Any = ContactServiceStub(customer.channel)
    of_accounts, of_contacts = Rules(customer.channel, "accounts"), Rules(customer.channel, "contacts")
    rule = await of_accounts.active(
        user,
        action("changeStatus", status="DORMANT"),
        trigger=on("UPDATED", changed=("industry",)),
        filter="industry = 停业 AND kind = ORGANIZATION",
    )
    titled = await of_contacts.active(
        user, action("update", job_title="联系人 {{record.display_name}}"), filter="NOT job_title:*"
    )
    account = accounts_pb2.Account(display_name="华信电力", kind=accounts_pb2.Account.KIND_ORGANIZATION)
    made = await accounts.CreateAccount(accounts_pb2.CreateAccountRequest(account=account), metadata=user.metadata)
    changed = accounts_pb2.Account(id=made.id, industry="停业")
    await accounts.UpdateAccount(accounts_pb2.UpdateAccountRequest(account=changed), metadata=user.metadata)
    link = contacts_pb2.Contact.AccountLink(account_id=made.id)
    person = contacts_pb2.Contact(display_name="王伟", accounts=[link])
    contact = await contacts.CreateContact(contacts_pb2.CreateContactRequest(contact=person), metadata=user.metadata)
    await settled(customer, user.tenant_id)
    (run,) = await of_accounts.runs_of(user, rule)
    assert (run.state, [each.verb for each in run.effects]) == (SUCCEEDED, ["changeStatus"]), run
    read = await accounts.GetAccount(accounts_pb2.GetAccountRequest(id=made.id), metadata=user.metadata)
    assert read.status == accounts_pb2.Account.STATUS_DORMANT
    assert [each.record_id for each in await of_contacts.runs_of(user, titled)] == [contact.id]
    read = await contacts.GetContact(contacts_pb2.GetContactRequest(id=contact.id), metadata=user.metadata)
    assert read.job_title == "联系人 王伟"


async def test_a_birthday_comes_each_year(customer: Running) -> None:
    """Tried before it is activated; on the day whatever the year of birth, once in each year."""
    user, ahead = await customer.user(await customer.tenant(sandbox=True)), until_noon()
    account = await new_account(customer, user)
    rules = Rules(customer.channel, "contacts")
    rule = await rules.create(
        user,
        notify("{{record.display_name}} 三天后过生日", recipients=[Rule.Notification.RECIPIENT_OWNER]),
        trigger=reaches("birth_date", offset_days=-3, every_year=True),
    )
    today = (system_now() + ahead).astimezone(ZoneInfo(DEFAULT_ZONE)).date()
    born = [str((today + timedelta(days=days)).replace(year=year, day=15)) for days, year in ((45, 1968), (45, 1992))]
    made = [await new_contact(customer, user, account.id, birth_date=birth_date) for birth_date in (*born, "")]
    tried = await rules.tried(user, rule)
    assert (tried.record_count, tried.event_count) == (3, 2)
    assert {each.record_id for each in tried.matches} == {each.id for each in made[:2]}
    assert all(each.possible and each.event == "DATE_REACHED" for each in tried.matches)
    (due_time,) = {each.event_time.ToDatetime(ZoneInfo(DEFAULT_ZONE)) for each in tried.matches}
    assert (due_time.month, due_time.day, due_time.hour) == (int(born[0][5:7]), 12, 9)
    await rules.does("Activate", user, rule)
    for version, day in enumerate((due_time, due_time.replace(year=due_time.year + 1)), 2):
        clock_offset = day + timedelta(minutes=1) - system_now()
        await customer.know_tenant(user.tenant_id, sandbox=True, clock_offset=clock_offset, version=version)
        await looked(customer)
        runs = await rules.ran(user, rule, 2 * (version - 1))
        assert [each.record_id for each in runs].count(made[0].id) == version - 1
        assert {each.state for each in runs} == {SUCCEEDED}
        assert len(runs) == 2 * (version - 1)


async def test_a_dormant_account_has_its_owner_call_within_three_days_of_that_day(customer: Running) -> None:
    """The day is that of the tenant's zone on which it became so, and it is on the account's timeline once."""
    user = await customer.user()
    account = await new_account(customer, user)
    rules = Rules(customer.channel, "accounts")
    call = create(
        "interactions",
        account_id="{{record.id}}",
        channel="OTHER",
        direction="OUTBOUND",
        subject="客户转为休眠",
        user_ids=["{{record.owner_id}}"],
        next_step="致电 {{record.display_name}}",
        next_step_due_date="{{cause.date+3d}}",
    )
    rule = await rules.active(user, call, trigger=on("STATUS_CHANGED"), filter="status = DORMANT")
    accounts: Any = AccountServiceStub(customer.channel)
    dormant = accounts_pb2.ChangeAccountStatusRequest(id=account.id, status=accounts_pb2.Account.STATUS_DORMANT)
    changed = await accounts.ChangeAccountStatus(dormant, metadata=user.metadata)
    for _ in range(2):
        await settled(customer, user.tenant_id)
    (run,) = await rules.runs_of(user, rule)
    interactions: Any = InteractionServiceStub(customer.channel)
    asked = interactions_pb2.ListInteractionsRequest(account_id=account.id)
    (interaction,) = (await interactions.ListInteractions(asked, metadata=user.metadata)).interactions
    day = changed.update_time.ToDatetime(ZoneInfo(DEFAULT_ZONE)).date()
    assert (run.state, run.effects[0].created_id) == (SUCCEEDED, interaction.id)
    assert interaction.next_step_due_date == (day + timedelta(days=3)).isoformat()
    assert list(interaction.user_ids) == [str(user.id)] == [account.owner_id]
    assert interaction.next_step == f"致电 {account.display_name}"
    # Nobody has spoken with anybody by that.
    read = await accounts.GetAccount(accounts_pb2.GetAccountRequest(id=account.id), metadata=user.metadata)
    assert not read.HasField("last_contact_time")
