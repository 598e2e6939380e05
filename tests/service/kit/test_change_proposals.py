"""Changes that people propose of records that they may not change: who decides, and what the record gets."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any
from uuid import UUID

import httpx
import pytest
from crm.customer.v1 import accounts_pb2
from crm.customer.v1.accounts_pb2_grpc import AccountServiceStub
from crm.resource.v1 import resources_pb2
from crm.resource.v1.resources_pb2_grpc import ResourceServiceStub
from crm_kit.change_proposals.model import MAX_PENDING
from crm_kit.directory.projection import project_role, project_user
from crm_kit.identity.access import Scope
from crm_kit.ids import new_id
from google.protobuf.field_mask_pb2 import FieldMask

from tests.service.attaching import Files
from tests.service.customer.customers import new_account, new_contact
from tests.service.customer.told import told_of
from tests.service.notices import raised
from tests.service.proposing import Desk, Proposal
from tests.service.running import Running, User, refused
from tests.service.web import bearer, gateway

READER = {"accounts.read": Scope.ALL, "contacts.read": Scope.ALL}


@pytest.fixture
async def owner(customer: Running) -> User:
    return await customer.user(name="王芳")


@pytest.fixture
async def clerk(customer: Running, owner: User) -> User:
    """Who may read all and change nothing."""
    return await customer.user(owner.tenant_id, grants=READER, name="李强")


@pytest.fixture
def desk(customer: Running) -> Desk:
    return Desk(customer)


@pytest.fixture
async def web(customer: Running) -> AsyncIterator[httpx.AsyncClient]:
    async with gateway(customer) as client:
        yield client


async def account_now(customer: Running, by: User, id: str) -> accounts_pb2.Account:
    request = accounts_pb2.GetAccountRequest(id=id)
    answer: accounts_pb2.Account = await AccountServiceStub(customer.channel).GetAccount(request, metadata=by.metadata)
    return answer


async def update(customer: Running, by: User, id: str, **values: Any) -> accounts_pb2.Account:
    account = accounts_pb2.Account(id=id, **values)
    request = accounts_pb2.UpdateAccountRequest(account=account, update_mask=FieldMask(paths=list(values)))
    stub = AccountServiceStub(customer.channel)
    answer: accounts_pb2.Account = await stub.UpdateAccount(request, metadata=by.metadata)
    return answer


async def hide(customer: Running, user: User, grants: Mapping[str, Scope], *fields: str) -> None:
    """Have the one role of a user hide these fields."""
    role_id = new_id()
    async with customer.unit_of_work(user.tenant_id) as work:
        project_role(work, id=role_id, grants=dict(grants), version=1, hidden_fields=fields)
        login = f"{user.id.hex[-12:]}@example.test"
        project_user(
            work,
            id=user.id,
            login=login,
            display_name="somebody",
            active=True,
            team_id=None,
            role_ids=[role_id],
            version=2,
        )
    customer.service.directory.forget(user.tenant_id)


async def changes_of(customer: Running, by: User, id: str) -> list[Any]:
    request = resources_pb2.ListRecordChangesRequest(collection="accounts", id=id)
    stub = ResourceServiceStub(customer.channel)
    return list((await stub.ListRecordChanges(request, metadata=by.metadata)).changes)


async def test_a_change_is_proposed_over_rest_found_by_the_owner_and_accepted(
    web: httpx.AsyncClient, customer: Running, owner: User, clerk: User
) -> None:
    account = await new_account(customer, owner, industry="steel")
    path = "/v1/change-proposals/accounts"
    asked = {
        "record_id": account.id,
        "values": {"industry": "power", "phone_numbers": ["+8675586661234"]},
        "reason": "they told me at the counter",
        "link": "https://register.example/4711",
    }
    refused_update = await web.patch(f"/v1/accounts/{account.id}", json={"industry": "power"}, headers=bearer(clerk))
    assert refused_update.status_code == 403
    made = await web.post(path, json=asked, headers=bearer(clerk))
    assert made.status_code == 201, made.text
    proposal = made.json()
    assert made.headers["location"] == f"{path}/{proposal['id']}"
    assert (proposal["record_name"], proposal["proposer_name"]) == ("华信电力有限公司", "李强")
    assert (proposal["owner_name"], proposal["state"]) == ("王芳", "PENDING")
    assert proposal["values"] == asked["values"]
    assert proposal["old_values"] == {"industry": "steel", "phone_numbers": []}
    waiting = {"filter": "awaits_me = true"}
    found = (await web.get(path, params=waiting, headers=bearer(owner))).json()["change_proposals"]
    assert [each["id"] for each in found] == [proposal["id"]]
    assert (await web.get(path, params=waiting, headers=bearer(clerk))).json()["change_proposals"] == []
    facets = await web.get(f"{path}:facets", params={"field": "proposer_id"}, headers=bearer(owner))
    assert [(each["name"], each["count"]) for each in facets.json()["values"]] == [("李强", 1)]
    accepted = await web.post(f"{path}/{proposal['id']}:accept", json={"comment": "thank you"}, headers=bearer(owner))
    assert accepted.status_code == 200, accepted.text
    assert (accepted.json()["state"], accepted.json()["awaits_me"]) == ("ACCEPTED", False)
    assert {each["field"] for each in accepted.json()["decisions"]} == {"industry", "phone_numbers"}
    now = await account_now(customer, owner, account.id)
    assert (now.industry, list(now.phone_numbers)) == ("power", ["+8675586661234"])
    history = (await web.get(f"/v1/accounts/{account.id}/changes", headers=bearer(owner))).json()["changes"]
    assert [(each["action"], each["actor_name"], each["proposer_name"]) for each in history] == [
        ("UPDATED", "王芳", "李强"),
        ("CREATED", "王芳", None),
    ]
    assert history[0]["change_proposal_id"] == proposal["id"]
    assert (await web.get(f"{path}:count", params=waiting, headers=bearer(owner))).json()["count"] == 0


async def test_single_fields_are_accepted_and_others_declined_each_once(
    customer: Running, desk: Desk, owner: User, clerk: User
) -> None:
    account = await new_account(customer, owner)
    proposal = await desk.propose(clerk, account.id, {"industry": "power", "website": "https://x.example"})
    part = await desk.accept(owner, proposal, "industry")
    assert (part.state, part.awaits_me) == (Proposal.STATE_PENDING, True)
    with refused("FAILED_PRECONDITION", "ILLEGAL_STATE"):
        await desk.decline(owner, proposal, "industry")
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
        await desk.accept(owner, proposal, "short_name")
    assert refusal.fields == ["fields[0]"]
    rest = await desk.decline(owner, proposal, comment="it is their old page")
    assert rest.state == Proposal.STATE_PARTLY_ACCEPTED
    assert [(each.field, each.outcome) for each in rest.decisions] == [
        ("industry", Proposal.Decision.OUTCOME_ACCEPTED),
        ("website", Proposal.Decision.OUTCOME_DECLINED),
    ]
    assert rest.HasField("end_time")
    now = await account_now(customer, owner, account.id)
    assert (now.industry, now.website) == ("power", "")
    for again in (desk.accept(owner, proposal), desk.decline(owner, proposal), desk.withdraw(clerk, proposal)):
        with refused("FAILED_PRECONDITION", "ILLEGAL_STATE"):
            await again
    names = [type(each).__name__ for each in await told_of(customer, owner.tenant_id, proposal.id)]
    assert names == ["ChangeProposalCreated", "ChangeProposalAccepted", "ChangeProposalDeclined"]


async def test_what_is_told_of_a_proposal_has_no_values(
    customer: Running, desk: Desk, owner: User, clerk: User
) -> None:
    account = await new_account(customer, owner)
    proposal = await desk.propose(clerk, account.id, {"industry": "tulips"}, evidence="a letter", reason="of tulips")
    await desk.decline(owner, proposal, comment="no tulips")
    for each in await told_of(customer, owner.tenant_id, proposal.id):
        assert "tulips" not in str(each)
        assert "letter" not in str(each)


async def test_a_field_that_has_changed_meanwhile_is_named_and_overwritten_only_when_told(
    customer: Running, desk: Desk, owner: User, clerk: User
) -> None:
    account = await new_account(customer, owner, industry="steel")
    proposal = await desk.propose(clerk, account.id, {"industry": "power", "short_name": "HX"})
    # Another field is no conflict.
    await update(customer, owner, account.id, website="https://x.example")
    changed = await update(customer, owner, account.id, industry="paper")
    with refused("FAILED_PRECONDITION", "CHANGE_PROPOSAL_CONFLICT") as refusal:
        await desk.accept(owner, proposal)
    assert refusal.metadata["fields"] == "industry"
    assert await account_now(customer, owner, account.id) == changed
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT"):
        await desk.accept(owner, proposal, "short_name", overwrite_fields=["industry"])
    with refused("ABORTED", "ETAG_MISMATCH"):
        await desk.accept(owner, proposal, overwrite_fields=["industry"], record_etag=account.etag)
    done = await desk.accept(owner, proposal, overwrite_fields=["industry"], record_etag=changed.etag)
    assert done.state == Proposal.STATE_ACCEPTED
    now = await account_now(customer, owner, account.id)
    assert (now.industry, now.short_name) == ("power", "HX")


async def test_what_the_record_has_come_to_have_is_accepted_and_changes_nothing(
    customer: Running, desk: Desk, owner: User, clerk: User
) -> None:
    account = await new_account(customer, owner)
    first = await desk.propose(clerk, account.id, {"industry": "power"})
    other = await customer.user(owner.tenant_id, grants=READER)
    second = await desk.propose(other, account.id, {"industry": "power"})
    await desk.accept(owner, first)
    before = await account_now(customer, owner, account.id)
    assert (await desk.accept(owner, second)).state == Proposal.STATE_ACCEPTED
    assert await account_now(customer, owner, account.id) == before


async def test_of_those_who_decide_at_the_same_moment_one_does(
    customer: Running, desk: Desk, owner: User, clerk: User
) -> None:
    account = await new_account(customer, owner)
    proposal = await desk.propose(clerk, account.id, {"industry": "power"})
    attempts = [desk.accept(owner, proposal) for _ in range(3)] + [desk.decline(owner, proposal) for _ in range(2)]
    answers = await asyncio.gather(*attempts, return_exceptions=True)
    assert sum(isinstance(each, Proposal) for each in answers) == 1
    ended = await desk.get(owner, proposal)
    assert len(ended.decisions) == 1
    accepted = ended.state == Proposal.STATE_ACCEPTED
    assert len(await changes_of(customer, owner, account.id)) == 1 + accepted
    key = new_id().hex
    again = await desk.propose(clerk, account.id, {"short_name": "HX"}, key=key)
    assert await desk.propose(clerk, account.id, {"short_name": "HX"}, key=key) == again
    assert await desk.accept(owner, again, key=key) == await desk.accept(owner, again, key=key)


async def test_values_that_the_record_would_not_take_are_refused_by_name(
    customer: Running, desk: Desk, owner: User, clerk: User
) -> None:
    account = await new_account(customer, owner, industry="steel")
    for values, field in (
        ({"industry": "steel"}, "industry"),
        ({"phone_numbers": ["12"]}, "phone_numbers[0]"),
        ({"no_such_field": "x"}, "no_such_field"),
        ({"status": "ARCHIVED"}, "status"),
        ({"owner_id": str(clerk.id)}, "owner_id"),
        ({"custom": {"x": 1}}, "custom"),
        ({"custom.no_such": 1}, "custom.no_such"),
        ({"industry": 3}, "industry"),
        ({"display_name": None}, "display_name"),
        ({"industry": "x" * 9000}, ""),
    ):
        with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
            await desk.propose(clerk, account.id, values)
        assert refusal.fields[0].startswith(f"change_proposal.values{'.' * bool(field)}{field}"), (
            values,
            refusal.fields,
        )
    for more in ({"reason": "  "}, {"link": "ftp://x.example"}):
        with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT"):
            await desk.propose(clerk, account.id, {"industry": "power"}, **more)
    with refused("NOT_FOUND", "ACCOUNT_NOT_FOUND"):
        await desk.propose(clerk, str(new_id()), {"industry": "power"})
    assert await desk.list(owner) == []


async def test_what_the_record_does_not_take_any_more_stays_undecided_and_says_why(
    customer: Running, desk: Desk, owner: User, clerk: User
) -> None:
    account = await new_account(customer, owner)
    external = {"external_ids": [{"source": "sap", "value": "4711"}]}
    proposal = await desk.propose(clerk, account.id, external)
    other = accounts_pb2.Account()
    other.external_ids.add(source="sap", value="4711")
    await new_account(customer, owner, external_ids=other.external_ids)
    with refused("FAILED_PRECONDITION", "CHANGE_PROPOSAL_CANNOT_TAKE_EFFECT") as refusal:
        await desk.accept(owner, proposal)
    assert refusal.metadata["cause"]
    assert (await desk.get(owner, proposal)).state == Proposal.STATE_PENDING


async def test_who_proposes_something_else_of_a_field_takes_the_place_of_what_they_said_before(
    customer: Running, desk: Desk, owner: User, clerk: User
) -> None:
    account = await new_account(customer, owner)
    other = await customer.user(owner.tenant_id, grants=READER)
    first = await desk.propose(clerk, account.id, {"industry": "power", "short_name": "HX"})
    theirs = await desk.propose(other, account.id, {"industry": "paper"})
    second = await desk.propose(clerk, account.id, {"industry": "steel"})
    assert (await desk.get(owner, first)).state == Proposal.STATE_PENDING
    assert [each.field for each in (await desk.get(owner, first)).decisions] == ["industry"]
    await desk.propose(clerk, account.id, {"short_name": "HXD"})
    assert (await desk.get(owner, first)).state == Proposal.STATE_SUPERSEDED
    assert {each.id for each in await desk.list(owner, "state = PENDING")} >= {theirs.id, second.id}


async def test_a_record_has_so_many_proposals_that_nobody_has_decided_and_no_more(
    customer: Running, desk: Desk, owner: User, clerk: User
) -> None:
    account = await new_account(customer, owner)
    everybody = [await customer.user(owner.tenant_id, grants=READER) for _ in range(MAX_PENDING + 4)]
    attempts = [desk.propose(each, account.id, {"industry": each.id.hex}) for each in everybody]
    answers = await asyncio.gather(*attempts, return_exceptions=True)
    assert sum(isinstance(each, Proposal) for each in answers) == MAX_PENDING
    assert await desk.count(owner, f"record_id = {account.id} AND state = PENDING") == MAX_PENDING
    with refused("FAILED_PRECONDITION", "CHANGE_PROPOSAL_LIMIT_REACHED"):
        await desk.propose(clerk, account.id, {"industry": "power"})
    await desk.decline(owner, next(each for each in answers if isinstance(each, Proposal)))
    await desk.propose(clerk, account.id, {"industry": "power"})


async def test_who_may_not_change_the_record_decides_nothing_and_who_may_not_read_it_sees_nothing(
    customer: Running, desk: Desk, owner: User, clerk: User
) -> None:
    account = await new_account(customer, owner)
    proposal = await desk.propose(clerk, account.id, {"industry": "power"})
    # May change their own accounts, and this is not one.
    colleague = await customer.user(owner.tenant_id, grants=READER | {"accounts.write": Scope.OWN})
    for one in (clerk, colleague):
        for attempt in (desk.accept(one, proposal), desk.decline(one, proposal)):
            with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
                await attempt
    with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
        await desk.withdraw(owner, proposal)
    stranger = await customer.user(owner.tenant_id, grants={"accounts.read": Scope.OWN, "accounts.write": Scope.ALL})
    elsewhere = await customer.user()
    for attempt in (desk.get(stranger, proposal), desk.accept(stranger, proposal), desk.get(elsewhere, proposal)):
        with refused("NOT_FOUND", "CHANGE_PROPOSAL_NOT_FOUND"):
            await attempt
    assert await desk.list(stranger) == []
    assert await desk.count(stranger) == 0
    elsewhere_found = Desk(customer, "contacts")
    for attempt in (elsewhere_found.get(owner, proposal), elsewhere_found.decline(owner, proposal, etag="v7")):
        with refused("NOT_FOUND", "CHANGE_PROPOSAL_NOT_FOUND"):
            await attempt
    with refused("NOT_FOUND", "COLLECTION_NOT_FOUND"):
        await Desk(customer, "teams").list(owner)
    taken_back = await desk.withdraw(clerk, proposal, comment="it was another customer")
    assert taken_back.state == Proposal.STATE_WITHDRAWN


async def test_a_hidden_field_is_neither_proposed_nor_seen_nor_decided_by_who_does_not_see_it(
    customer: Running, desk: Desk, owner: User, clerk: User
) -> None:
    account = await new_account(customer, owner)
    blind = await customer.user(owner.tenant_id, grants=READER)
    await hide(customer, blind, READER | {"accounts.write": Scope.ALL}, "accounts.industry")
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
        await desk.propose(blind, account.id, {"industry": "power"})
    assert refusal.fields == ["change_proposal.values.industry"]
    key = new_id().hex
    proposal = await desk.propose(clerk, account.id, {"industry": "power", "short_name": "HX"}, key=key)
    shown = await desk.get(blind, proposal)
    assert (set(shown.values), set(shown.old_values)) == ({"short_name"}, {"short_name"})
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
        await desk.accept(blind, proposal, "industry")
    assert "industry" not in refusal.detail.replace("fields", "")
    part = await desk.accept(blind, proposal)
    assert (part.state, [each.field for each in part.decisions]) == (Proposal.STATE_PENDING, ["short_name"])
    with refused("FAILED_PRECONDITION", "ILLEGAL_STATE") as refusal:
        await desk.accept(blind, proposal)
    assert refusal.metadata["rule"] == "shown_decided"
    await desk.accept(owner, proposal)
    assert [each.field for each in (await desk.get(blind, proposal)).decisions] == ["short_name"]
    # What was answered before is shown without what has been hidden since.
    await hide(customer, clerk, READER, "accounts.industry")
    again = await desk.propose(clerk, account.id, {"industry": "power", "short_name": "HX"}, key=key)
    assert set(again.values) == {"short_name"}


async def test_files_that_prove_it_are_those_of_the_record(
    customer: Running, desk: Desk, owner: User, clerk: User
) -> None:
    account, other = [await new_account(customer, owner) for _ in range(2)]
    file = await Files(customer, account.id).attach(owner)
    proposal = await desk.propose(clerk, account.id, {"industry": "power"}, attachment_ids=[file.id])
    assert list(proposal.attachment_ids) == [file.id]
    with refused("INVALID_ARGUMENT", "REFERENCE_NOT_FOUND") as refusal:
        await desk.propose(clerk, other.id, {"industry": "power"}, attachment_ids=[file.id])
    assert refusal.fields == ["change_proposal.attachment_ids[0]"]


async def test_changes_of_contacts_are_proposed_too(customer: Running, owner: User, clerk: User) -> None:
    account = await new_account(customer, owner)
    contact = await new_contact(customer, owner, account.id)
    desk = Desk(customer, "contacts")
    proposal = await desk.propose(clerk, contact.id, {"job_title": "buyer"})
    assert proposal.awaits_me is False
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT"):
        await desk.propose(clerk, contact.id, {"accounts": []})
    done = await desk.accept(owner, proposal)
    assert done.state == Proposal.STATE_ACCEPTED
    assert await Desk(customer).list(owner) == []


async def test_the_owner_and_then_the_proposer_are_told(
    customer: Running, desk: Desk, owner: User, clerk: User
) -> None:
    account = await new_account(customer, owner)
    proposal = await desk.propose(clerk, account.id, {"industry": "power", "short_name": "HX"})
    await desk.accept(owner, proposal, "industry")
    await desk.decline(owner, proposal, comment="not theirs")
    told = [each for each in await raised(customer, owner.tenant_id) if each.record_id == account.id]
    assert [(list(each.user_ids), each.text) for each in told] == [
        ([str(owner.id)], ""),
        ([str(clerk.id)], "not theirs"),
    ]
    assert told[1].values["outcome"] == "PARTLY_ACCEPTED"
    assert UUID(told[0].values["change_proposal_id"]) == UUID(proposal.id)


async def test_what_was_proposed_with_evidence_is_a_confirmation_once_it_is_accepted(
    customer: Running, owner: User, clerk: User, desk: Desk
) -> None:
    account = await new_account(customer, owner, industry="steel")
    values = {"industry": "power", "website": "https://huaxin.example", "short_name": "Huaxin"}
    evidence, link = "their letter of 12 March", "https://register.example/4711"
    made = await desk.propose(clerk, account.id, values, reason="在柜台告知" * 40, evidence=evidence, link=link)
    await desk.accept(owner, made, "industry", "website")
    found = await account_now(customer, owner, account.id)
    assert [each.field for each in found.field_checks] == ["industry", "website"]
    (check, other) = found.field_checks
    assert (check.checker_id, check.checker_name) == (str(clerk.id), "李强")
    assert check.source == ("在柜台告知" * 40)[:99] + "…"
    assert check.proof == other.proof == f"{evidence}; {link}"
    # Without evidence it is somebody's word, and no confirmation.
    again = await desk.propose(clerk, account.id, {"industry": "oil"})
    await desk.accept(owner, again)
    assert [each.field for each in (await account_now(customer, owner, account.id)).field_checks] == ["website"]


async def test_another_record_to_refer_to_is_proposed_and_checked_as_the_update_does(
    customer: Running, owner: User, clerk: User, desk: Desk
) -> None:
    account, above = await new_account(customer, owner), await new_account(customer, owner)
    made = await desk.propose(clerk, account.id, {"parent_id": above.id})
    # What nobody knows, or would be above itself, is refused to who proposes it.
    for parent_id, reason in ((str(new_id()), "REFERENCE_NOT_FOUND"), (account.id, "INVALID_ARGUMENT")):
        with refused("INVALID_ARGUMENT", reason) as refusal:
            await desk.propose(clerk, account.id, {"parent_id": parent_id})
        assert refusal.fields == ["change_proposal.values.parent_id"]
    # Meanwhile the record above has come to be below this one.
    await update(customer, owner, above.id, parent_id=account.id)
    with refused("FAILED_PRECONDITION", "CHANGE_PROPOSAL_CANNOT_TAKE_EFFECT"):
        await desk.accept(owner, made)
    await update(customer, owner, above.id, parent_id="")
    await desk.accept(owner, made)
    assert (await account_now(customer, owner, account.id)).parent_id == above.id


async def test_what_is_referred_to_has_to_be_known_to_who_proposes_it_and_to_who_accepts_it(
    customer: Running, owner: User, desk: Desk
) -> None:
    account, above = await new_account(customer, owner), await new_account(customer, owner)
    stranger = await customer.user(owner.tenant_id)
    secret = await new_account(customer, stranger)
    # Whose own accounts these are: they read theirs alone.
    own = {"accounts.read": Scope.OWN, "accounts.write": Scope.OWN}
    decider = await customer.user(owner.tenant_id, grants=own)
    theirs = await new_account(customer, decider)
    with refused("INVALID_ARGUMENT", "REFERENCE_NOT_FOUND"):
        await desk.propose(decider, theirs.id, {"parent_id": secret.id})
    made = await desk.propose(owner, theirs.id, {"parent_id": above.id})
    with refused("FAILED_PRECONDITION", "CHANGE_PROPOSAL_CANNOT_TAKE_EFFECT"):
        await desk.accept(decider, made)
    assert (await account_now(customer, owner, theirs.id)).parent_id == ""
    assert account.id != above.id
