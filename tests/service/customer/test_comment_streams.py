"""`GET /v1/events` of comments: told to who may read the record that is commented."""

from collections.abc import AsyncIterator

import pytest
from crm_kit.identity.access import Scope
from crm_local.testing import Servers

from tests.service.customer.companies import Company
from tests.service.customer.customers import new_account
from tests.service.discussing import Talk
from tests.service.running import Running
from tests.service.streaming import Listening, listening, reading


@pytest.fixture(scope="module")
async def gateway(servers: Servers, customer: Running) -> AsyncIterator[Listening]:
    async with listening(servers, customer) as started:
        yield started


async def test_comments_are_told_to_who_may_read_the_record_and_to_nobody_else(
    gateway: Listening, company: Company, customer: Running
) -> None:
    boss = company.admin
    rep = company.acting(await company.user(await company.role(accounts_read=Scope.OWN, accounts_write=Scope.OWN)))
    theirs, mine = await new_account(customer, boss), await new_account(customer, rep)
    async with (
        reading(gateway, boss, types="comment.created,comment.updated,comment.deleted") as all_of_them,
        reading(gateway, rep, collections="accounts") as own,
    ):
        for each in (all_of_them, own):
            await each.until("ready")
        hidden = await Talk(customer, theirs.id).say(boss, "not for everybody")
        talk = Talk(customer, mine.id)
        comment = await talk.say(boss, "well done")
        changed = await talk.edit(boss, comment, text="very well done")
        await talk.delete(boss, changed)
        told = await all_of_them.told(4)
        assert [(each.name, each.data["comment_id"]) for each in told] == [
            ("comment.created", hidden.id),
            ("comment.created", comment.id),
            ("comment.updated", comment.id),
            ("comment.deleted", comment.id),
        ]
        heard = await own.told(3)
        assert [each.brief for each in heard] == [
            (f"comment.{done}", mine.id, version)
            for version, done in enumerate(("created", "updated", "deleted"), start=1)
        ]
        assert {each.data["collection"] for each in heard} == {"accounts"}
        assert "well done" not in str(heard)


async def test_the_comments_of_one_record_can_be_followed(
    gateway: Listening, company: Company, customer: Running
) -> None:
    one, other = [await new_account(customer, company.admin) for _ in range(2)]
    async with reading(gateway, company.admin, record=f"accounts/{one.id}", types="comment.created") as stream:
        await stream.until("ready")
        await Talk(customer, other.id).say(company.admin)
        comment = await Talk(customer, one.id).say(company.admin)
        (told,) = await stream.told(1)
    assert (told.data["record_id"], told.data["comment_id"]) == (one.id, comment.id)
