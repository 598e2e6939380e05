"""Which accounts a case may be of: known here by events, or asked for at the customer service."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from crm.customer.v1 import account_members_pb2, accounts_pb2, events_pb2
from crm.customer.v1.accounts_pb2_grpc import AccountServiceStub
from crm.scoring.v1 import events_pb2 as scoring_events
from crm.scoring.v1 import scores_pb2
from crm.service_desk.v1 import cases_pb2
from crm_kit.accounts import Account
from crm_kit.directory.projection import project_role, project_user
from crm_kit.identity.access import Scope
from crm_kit.ids import new_id
from crm_kit.projections import record_by_id
from crm_service_desk.accounts.model import ValueTier
from crm_service_desk.accounts.queries import find_value_tier
from crm_service_desk.accounts.tables import accounts
from google.protobuf.field_mask_pb2 import FieldMask

from tests.service.customer.customers import new_contact
from tests.service.eventually import eventually
from tests.service.running import Running, User, refused
from tests.service.service_desk.desk import Desk, milestone
from tests.service.service_desk.intake import intake_of
from tests.service.service_desk.telephony import telephony_of


async def also_at(service: Running, user: User, grants: dict[str, Scope]) -> None:
    """Let another service know the user and their tenant as well."""
    role_id = new_id()
    await service.know_tenant(user.tenant_id, sandbox=True)
    async with service.unit_of_work(user.tenant_id) as work:
        project_role(work, id=role_id, grants=grants, version=1)
        project_user(
            work,
            id=user.id,
            login=f"{user.id.hex[-12:]}@example.test",
            display_name="somebody",
            active=True,
            team_id=None,
            role_ids=[role_id],
            version=1,
        )


async def known(desk: Desk, id: UUID) -> Account | None:
    async with desk.running.unit_of_work(desk.user.tenant_id) as work:
        row = await work.one(record_by_id(accounts), id=id)
        return Account(**row) if row else None


async def create_account(customer: Running, user: User, **fields: Any) -> accounts_pb2.Account:
    account = accounts_pb2.Account(kind=accounts_pb2.Account.KIND_ORGANIZATION, display_name="华信电力", **fields)
    request = accounts_pb2.CreateAccountRequest(account=account)
    return await AccountServiceStub(customer.channel).CreateAccount(request, metadata=user.metadata)


async def test_an_account_is_known_by_its_event(desk: Desk, customer: Running) -> None:
    await also_at(customer, desk.user, {"*": Scope.ALL})
    account = await create_account(customer, desk.user)
    reference = await eventually(lambda: known(desk, UUID(account.id)))
    assert reference is not None
    assert (reference.display_name, reference.owner_id) == ("华信电力", desk.user.id)


async def test_an_account_whose_event_has_not_come_is_asked_for(desk: Desk, customer: Running) -> None:
    await also_at(customer, desk.user, {"*": Scope.ALL})
    account = await create_account(customer, desk.user)
    await eventually(lambda: known(desk, UUID(account.id)))
    # As if its event were still on its way.
    async with desk.running.unit_of_work(desk.user.tenant_id) as work:
        work.delete(accounts, id=UUID(account.id))
    case = await desk.create(account_id=account.id, key="k-1")
    assert case.account_id == account.id
    assert await known(desk, UUID(account.id)) is not None


async def test_an_account_that_nobody_knows_is_refused(desk: Desk, customer: Running) -> None:
    await also_at(customer, desk.user, {"*": Scope.ALL})
    with refused("INVALID_ARGUMENT", "REFERENCE_NOT_FOUND") as refusal:
        await desk.create(account_id=str(uuid4()))
    assert refusal.fields == ["case.account_id"]


async def test_whoever_a_message_or_call_is_said_to_be_of_is_named_as_the_request_has_them(
    desk: Desk, customer: Running
) -> None:
    await also_at(customer, desk.user, {"*": Scope.ALL})
    account = await create_account(customer, desk.user)
    await eventually(lambda: known(desk, UUID(account.id)))
    phones, messages = await telephony_of(desk), await intake_of(desk)
    call, message = await phones.talked(), await messages.bring()
    nobody: dict[str, dict[str, Any]] = {
        "account_id": {"account_id": str(uuid4())},
        "contact_id": {"account_id": account.id, "contact_id": str(uuid4())},
    }
    for field, customer_of in nobody.items():
        with refused("INVALID_ARGUMENT", "REFERENCE_NOT_FOUND") as refusal:
            await phones.assign(call, **customer_of)
        assert refusal.fields == [field]
        with refused("INVALID_ARGUMENT", "REFERENCE_NOT_FOUND") as refusal:
            await messages.do("OpenInboundMessageCase", message, **customer_of)
        assert refusal.fields == [field]


async def test_an_account_that_the_caller_may_not_read_is_refused_until_it_is_known(
    desk: Desk, customer: Running
) -> None:
    await also_at(customer, desk.user, {})
    with refused("INVALID_ARGUMENT", "REFERENCE_NOT_FOUND"):
        await desk.create(account_id=str(uuid4()))
    account_id = await desk.account()
    assert (await desk.create(account_id=str(account_id))).account_id == str(account_id)


async def test_a_case_is_changed_by_who_no_longer_sees_its_account(desk: Desk) -> None:
    other = await desk.running.user(desk.user.tenant_id)
    grants = {"cases.read": Scope.ALL, "cases.write": Scope.ALL, "accounts.read": Scope.OWN}
    agent = await desk.running.user(desk.user.tenant_id, grants=grants)
    account_id, foreign_id = await desk.account(owner_id=agent.id), await desk.account(owner_id=other.id)
    case = await desk.create(by=agent, account_id=str(account_id))
    account = accounts_pb2.Account(id=str(account_id), display_name="华信电力", owner_id=str(other.id))
    updated = events_pb2.AccountUpdated(account=account)
    await desk.running.hear(updated, tenant_id=desk.user.tenant_id, aggregate_id=account_id, version=2)
    case.title = "no power at all"
    changed = await desk.cases.UpdateCase(cases_pb2.UpdateCaseRequest(case=case), metadata=agent.metadata)
    assert (changed.title, changed.account_id) == (case.title, str(account_id))
    with refused("INVALID_ARGUMENT", "REFERENCE_NOT_FOUND"):
        changed.account_id = str(foreign_id)
        await desk.cases.UpdateCase(cases_pb2.UpdateCaseRequest(case=changed), metadata=agent.metadata)


async def test_a_case_is_brought_to_no_other_account_by_who_reaches_it_as_a_member_alone(desk: Desk) -> None:
    tenant_id = desk.user.tenant_id
    grants = dict.fromkeys(("cases.read", "cases.write", "accounts.read"), Scope.OWN)
    agent = await desk.running.user(tenant_id, grants=grants)
    account_id, own_id = await desk.account(owner_id=desk.user.id), await desk.account(owner_id=agent.id)
    member_id = new_id()
    member = account_members_pb2.AccountMember(
        id=str(member_id),
        account_id=str(account_id),
        user_id=str(agent.id),
        access=account_members_pb2.AccountMember.ACCESS_WRITE,
        state=account_members_pb2.AccountMember.STATE_ACTIVE,
    )
    told = events_pb2.AccountMemberCreated(account_member=member)
    await desk.running.hear(told, tenant_id=tenant_id, aggregate_id=member_id)

    async def bring(case: cases_pb2.Case) -> cases_pb2.Case:
        case.account_id = str(own_id)
        return await desk.cases.UpdateCase(cases_pb2.UpdateCaseRequest(case=case), metadata=agent.metadata)

    with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
        await bring(await desk.create(account_id=str(account_id)))
    mine = await desk.create(by=agent, account_id=str(account_id))
    assert (await bring(mine)).account_id == str(own_id)


async def test_an_older_event_of_an_account_changes_nothing(desk: Desk) -> None:
    account_id = await desk.account(display_name="new", version=3)

    async def tell(name: str, version: int) -> None:
        account = accounts_pb2.Account(id=str(account_id), display_name=name)
        updated = events_pb2.AccountUpdated(account=account)
        await desk.running.hear(updated, tenant_id=desk.user.tenant_id, aggregate_id=account_id, version=version)

    await tell("old", 2)
    reference = await known(desk, account_id)
    assert reference is not None
    assert reference.display_name == "new"
    await tell("newest", 4)
    reference = await known(desk, account_id)
    assert reference is not None
    assert reference.display_name == "newest"


async def test_the_tier_is_that_of_the_newest_scores_whatever_comes_last(desk: Desk) -> None:
    account_id = uuid4()

    async def tell(tier: "scores_pb2.ValueTierScore.Tier.ValueType", version: int) -> ValueTier | None:
        band = scores_pb2.ValueTierScore(band=tier)
        scores = scores_pb2.AccountScores(account_id=str(account_id), value_tier=band)
        changed = scoring_events.ValueTierChanged(account_scores=scores)
        await desk.running.hear(changed, tenant_id=desk.user.tenant_id, aggregate_id=account_id, version=version)
        async with desk.running.unit_of_work(desk.user.tenant_id) as work:
            return await find_value_tier(work, account_id)

    assert await tell(scores_pb2.ValueTierScore.TIER_SMALL, 3) is ValueTier.SMALL
    assert await tell(scores_pb2.ValueTierScore.TIER_KEY, 2) is ValueTier.SMALL
    assert await tell(scores_pb2.ValueTierScore.TIER_UNKNOWN, 4) is None


async def test_what_an_account_is_worth_may_decide_what_is_promised(desk: Desk) -> None:
    calendar_id = (await desk.around_the_clock()).id
    key = await desk.promise(
        first_response=5, resolution=60, condition="value_tier = KEY", position=1, calendar_id=calendar_id
    )
    of_key = await desk.create(account_id=str(await desk.key_account()))
    of_other = await desk.create(account_id=str(await desk.account()))
    assert of_key.service_level_id == key.id
    assert of_other.service_level_id != key.id


async def test_a_case_that_turns_out_to_be_of_a_key_account_is_promised_more(desk: Desk) -> None:
    calendar_id = (await desk.around_the_clock()).id
    key = await desk.promise(
        first_response=5, resolution=60, condition="value_tier = KEY", position=1, calendar_id=calendar_id
    )
    case = await desk.create()
    account_id = str(await desk.key_account())
    request = cases_pb2.UpdateCaseRequest(
        case=cases_pb2.Case(id=case.id, account_id=account_id), update_mask=FieldMask(paths=["account_id"])
    )
    updated = await desk.cases.UpdateCase(request, metadata=desk.user.metadata)
    assert (updated.account_id, updated.service_level_id) == (account_id, key.id)
    assert milestone(updated, "RESOLUTION").due_time.ToDatetime() == case.create_time.ToDatetime() + timedelta(hours=1)


async def test_the_log_of_a_case_names_who_did_it_and_who_wrote(desk: Desk, customer: Running) -> None:
    await also_at(customer, desk.user, {"*": Scope.ALL})
    account = await create_account(customer, desk.user)
    contact = await new_contact(customer, desk.user, account.id, display_name="陈晨")

    case = await desk.create(contact_id=contact.id)
    assert case.contact_name == "陈晨"
    await desk.do("AssignCase", case, assignee_id=str(desk.user.id))
    await desk.do("RecordCustomerMessage", case, text="all day")
    request = cases_pb2.ListCaseEventsRequest(id=case.id)
    events = (await desk.cases.ListCaseEvents(request, metadata=desk.user.metadata)).events
    by_kind = {cases_pb2.CaseEvent.Kind.Name(each.kind): each for each in events}
    opened, said = by_kind["KIND_OPENED"], by_kind["KIND_CUSTOMER_MESSAGE"]
    assert (opened.actor_id, opened.contact_id) == (str(desk.user.id), "")
    assert opened.actor_name == events[0].actor_name != ""
    assert (said.actor_id, said.contact_id, said.contact_name) == ("", contact.id, "陈晨")


async def test_a_case_names_no_contact_that_whoever_names_them_may_not_see(desk: Desk, customer: Running) -> None:
    """Nobody learns a name by putting an id into a case; who reads the case reads it, as all that is in it."""
    own = {"cases.read": Scope.ALL, "cases.write": Scope.ALL, "contacts.read": Scope.OWN}
    agent = await desk.running.user(desk.user.tenant_id, grants=own)
    for user, grants in ((desk.user, {"*": Scope.ALL}), (agent, own)):
        await also_at(customer, user, grants)
    account = await create_account(customer, desk.user)
    contact, other = [
        await new_contact(customer, desk.user, account.id, display_name=name) for name in ("陈晨", "李娜")
    ]
    case = await desk.create(contact_id=contact.id)
    changed = cases_pb2.Case(id=case.id, contact_id=other.id)
    mask = FieldMask(paths=["contact_id"])
    message = cases_pb2.RecordCustomerMessageRequest(id=case.id, text="?", contact_id=other.id)
    for id in (other.id, str(new_id())):
        changed.contact_id = message.contact_id = id
        update = cases_pb2.UpdateCaseRequest(case=changed, update_mask=mask)
        with refused("INVALID_ARGUMENT", "REFERENCE_NOT_FOUND") as refusal:
            await desk.create(by=agent, contact_id=id)
        assert refusal.fields == ["case.contact_id"]
        with refused("INVALID_ARGUMENT", "REFERENCE_NOT_FOUND"):
            await desk.cases.UpdateCase(update, metadata=agent.metadata)
        with refused("INVALID_ARGUMENT", "REFERENCE_NOT_FOUND") as refusal:
            await desk.cases.RecordCustomerMessage(message, metadata=agent.metadata)
        assert refusal.fields == ["contact_id"]
    read = await desk.cases.GetCase(cases_pb2.GetCaseRequest(id=case.id), metadata=agent.metadata)
    assert read.contact_name == "陈晨"
    # What is there already is sent back by whoever may write the case.
    assert await desk.cases.UpdateCase(cases_pb2.UpdateCaseRequest(case=read), metadata=agent.metadata) == read
    message.contact_id = contact.id
    assert (await desk.cases.RecordCustomerMessage(message, metadata=agent.metadata)).id == case.id
