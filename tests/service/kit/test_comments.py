"""What people say about records: who may, who is mentioned, what an edit and a deletion leave, over REST and gRPC."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import httpx
import pytest
from crm.resource.v1 import comments_pb2 as pb
from crm.resource.v1 import events_pb2 as events
from crm_kit.comments.queries import last_authors
from crm_kit.database.statements import statement
from crm_kit.events.outbox import event_of
from crm_kit.identity.access import Scope
from crm_kit.ids import new_id
from crm_kit.notices import Kind
from crm_kit.plumbing import changes, comments, idempotency_keys, outbox
from sqlalchemy import Select, Text, bindparam, cast, func, select

from tests.service.customer.customers import new_account, new_interaction
from tests.service.customer.told import payload_of
from tests.service.discussing import Talk
from tests.service.kit.plans import plan_of, scans_of
from tests.service.running import Running, User, refused
from tests.service.web import bearer, gateway

OWN = {"accounts.read": Scope.OWN}
SECRET = "the password is tulip"


@pytest.fixture
async def user(customer: Running) -> User:
    return await customer.user(name="王芳")


@pytest.fixture
async def talk(customer: Running, user: User) -> Talk:
    return Talk(customer, (await new_account(customer, user)).id)


@pytest.fixture
async def colleague(customer: Running, user: User) -> User:
    return await customer.user(user.tenant_id, grants={"accounts.read": Scope.ALL}, name="李强")


@pytest.fixture
async def web(customer: Running) -> AsyncIterator[httpx.AsyncClient]:
    async with gateway(customer) as client:
        yield client


async def test_a_comment_is_written_read_changed_and_deleted_over_rest(
    web: httpx.AsyncClient, customer: Running, user: User, colleague: User
) -> None:
    account = await new_account(customer, user)
    path, me, them = f"/v1/accounts/{account.id}/comments", bearer(user), bearer(colleague)
    asked = {"text": "@李强 they want a new quote", "mentioned_user_ids": [str(colleague.id)]}
    made = await web.post(path, json=asked, headers=me)
    assert made.status_code == 201, made.text
    comment = made.json()
    assert made.headers["location"] == f"{path}/{comment['id']}"
    assert (comment["author_name"], comment["mentioned_user_names"]) == ("王芳", ["李强"])
    assert (comment["collection"], comment["record_id"], comment["edit_time"]) == ("accounts", account.id, None)
    one = f"{path}/{comment['id']}"
    assert (await web.get(one, headers=them)).json() == comment
    reply = await web.post(path, json={"text": "by Friday", "parent_id": comment["id"]}, headers=them)
    assert reply.status_code == 201, reply.text
    page = (await web.get(path, headers=me)).json()
    assert [each["text"] for each in page["comments"]] == ["by Friday", "@李强 they want a new quote"]
    changed = await web.patch(one, json={"text": "they want two quotes"}, headers=me)
    assert (changed.status_code, changed.json()["text"]) == (200, "they want two quotes")
    assert changed.json()["edit_time"]
    stale = await web.request("DELETE", one, headers={**me, "if-match": made.headers["etag"]})
    assert stale.status_code == 412, stale.text
    gone = await web.delete(one, headers=me)
    assert (gone.status_code, gone.content) == (204, b"")
    left = (await web.get(one, headers=them)).json()
    assert (left["text"], left["mentioned_user_ids"], left["deleter_name"]) == ("", [], "王芳")
    assert left["delete_time"]
    # The reply stays, and what it replied to is still there to be seen.
    assert [each["text"] for each in (await web.get(path, headers=me)).json()["comments"]] == ["by Friday", ""]


async def test_pages_of_a_discussion_go_both_ways(web: httpx.AsyncClient, user: User, talk: Talk) -> None:
    for number in range(5):
        await talk.say(user, str(number))
    path = f"/v1/accounts/{talk.at['record_id']}/comments"

    async def page(token: str, order_by: str = "id") -> Any:
        asked = {"page_size": "2", "order_by": order_by, "page_token": token}
        return (await web.get(path, params=asked, headers=bearer(user))).json()

    first = await page("")
    second = await page(first["next_page_token"])
    assert [each["text"] for each in (*first["comments"], *second["comments"])] == ["0", "1", "2", "3"]
    assert await page(second["prev_page_token"]) == first
    # A token is of the discussion it was made for.
    other = await talk.stub.ListComments(pb.ListCommentsRequest(**talk.at, page_size=2), metadata=user.metadata)
    with refused("INVALID_ARGUMENT", "INVALID_PAGE_TOKEN"):
        await talk.list(user, page_token=other.next_page_token, filter="author_id = me", page_size=2)


async def test_the_same_comment_sent_twice_with_one_key_is_one(user: User, talk: Talk) -> None:
    first = await talk.say(user, key="k1")
    assert await talk.say(user, key="k1") == first
    assert [each.id for each in await talk.list(user)] == [first.id]


async def test_a_text_that_shows_nothing_or_is_too_long_is_refused(user: User, talk: Talk) -> None:
    for text in ("", "   ", "\u200b", "x" * 10_001):
        with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
            await talk.say(user, text)
        assert refusal.fields == ["comment.text"]
    assert (await talk.say(user, "示" * 10_000)).text == "示" * 10_000


async def test_who_may_not_read_a_record_neither_reads_its_comments_nor_writes_any(
    customer: Running, user: User, talk: Talk
) -> None:
    comment = await talk.say(user)
    stranger = await customer.user(user.tenant_id, grants=OWN)
    elsewhere = await customer.user()
    for one in (stranger, elsewhere):
        with refused("NOT_FOUND", "ACCOUNT_NOT_FOUND"):
            await talk.list(one)
        with refused("NOT_FOUND", "ACCOUNT_NOT_FOUND"):
            await talk.say(one)
        with refused("NOT_FOUND", "ACCOUNT_NOT_FOUND"):
            await talk.delete(one, comment)
    without = await customer.user(user.tenant_id, grants={"contacts.read": Scope.ALL})
    with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
        await talk.list(without)


async def test_a_comment_is_found_at_its_own_record_only(customer: Running, user: User, talk: Talk) -> None:
    comment = await talk.say(user)
    other = Talk(customer, (await new_account(customer, user)).id)
    with refused("NOT_FOUND", "COMMENT_NOT_FOUND"):
        await other.edit(user, comment, text="moved")
    with refused("NOT_FOUND", "COMMENT_NOT_FOUND"):
        await other.delete(user, comment, etag="v7")
    with refused("INVALID_ARGUMENT", "REFERENCE_NOT_FOUND") as refusal:
        await other.say(user, parent_id=comment.id)
    assert refusal.fields == ["comment.parent_id"]
    # The same id in another collection is another record.
    interaction = await new_interaction(customer, user, talk.at["record_id"])
    other.at = {"collection": "interactions", "record_id": interaction.id}
    assert await other.list(user) == []


async def test_what_is_no_collection_or_is_not_discussed_has_no_comments(user: User, talk: Talk) -> None:
    for collection in ("nothing", "users", "comments"):
        talk.at["collection"] = collection
        with refused("NOT_FOUND", "COLLECTION_NOT_FOUND"):
            await talk.list(user)


async def test_a_reply_is_to_a_comment_and_not_to_a_reply(user: User, talk: Talk) -> None:
    top = await talk.say(user)
    reply = await talk.say(user, parent_id=top.id)
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
        await talk.say(user, parent_id=reply.id)
    assert refusal.detail == f"comment.parent_id: is a reply itself: reply to {top.id}"
    assert [each.id for each in await talk.list(user, filter=f'parent_id = "{top.id}"')] == [reply.id]
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT"):
        await talk.edit(user, top, parent_id=reply.id)
    await talk.delete(user, top)
    with refused("FAILED_PRECONDITION", "ILLEGAL_STATE"):
        await talk.say(user, parent_id=top.id)


async def test_who_is_mentioned_may_read_the_record_or_is_named_in_the_refusal(
    customer: Running, user: User, colleague: User, talk: Talk
) -> None:
    rep = await customer.user(user.tenant_id, grants=OWN, name="赵敏")
    with refused("INVALID_ARGUMENT", "MENTION_NOT_ALLOWED") as refusal:
        await talk.say(user, mentioned_user_ids=[str(colleague.id), str(rep.id)])
    assert refusal.fields == ["comment.mentioned_user_ids[1]"]
    assert refusal.metadata["names"] == "赵敏"
    gone = await customer.user(user.tenant_id)
    await customer.change_user(gone, active=False)
    for id in (gone.id, (await customer.user()).id, new_id()):
        with refused("INVALID_ARGUMENT", "REFERENCE_NOT_FOUND") as refusal:
            await talk.say(user, mentioned_user_ids=[str(id)])
        assert refusal.fields == ["comment.mentioned_user_ids[0]"]
    assert await talk.list(user) == []
    comment = await talk.say(user, mentioned_user_ids=[str(colleague.id)])
    assert [each.id for each in await talk.list(colleague, filter="mentioned_user_ids : me")] == [comment.id]
    # Who was mentioned before and has lost the right is no reason to refuse another text.
    await customer.change_user(colleague, active=False)
    assert (await talk.edit(user, comment, text="done")).mentioned_user_ids == [str(colleague.id)]
    with refused("INVALID_ARGUMENT", "MENTION_NOT_ALLOWED"):
        await talk.edit(user, comment, mentioned_user_ids=[str(colleague.id), str(rep.id)])


async def test_only_the_author_changes_a_comment(user: User, colleague: User, talk: Talk) -> None:
    comment = await talk.say(colleague)
    with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
        await talk.edit(user, comment, text="they never said so")
    with refused("ABORTED", "ETAG_MISMATCH"):
        await talk.edit(colleague, comment, etag="v9", text="other")
    changed = await talk.edit(colleague, comment, etag=comment.etag, text="other")
    assert (changed.etag, changed.HasField("edit_time")) == ("v2", True)
    assert await talk.edit(colleague, changed, text="other") == changed
    # Mentioning somebody is no other text.
    assert (await talk.edit(colleague, changed, mentioned_user_ids=[str(user.id)])).edit_time == changed.edit_time


async def test_a_comment_is_deleted_by_its_author_or_by_who_may_write_all(
    customer: Running, user: User, colleague: User, talk: Talk
) -> None:
    grants = {"accounts.read": Scope.ALL, "accounts.write": Scope.TEAM}
    manager = await customer.user(user.tenant_id, grants=grants)
    by_colleague, by_manager = await talk.say(colleague), await talk.say(manager)
    with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
        await talk.delete(manager, by_colleague)
    await talk.delete(manager, by_manager)
    await talk.delete(user, by_colleague)
    # Once more, by who may: nothing is left to do.
    await talk.delete(colleague, by_colleague)
    left = await talk.list(user)
    assert [(each.text, each.deleter_id) for each in left] == [("", str(manager.id)), ("", str(user.id))]
    assert {each.etag for each in left} == {"v2"}
    with refused("FAILED_PRECONDITION", "ILLEGAL_STATE"):
        await talk.edit(colleague, by_colleague, text="again")


async def test_who_is_mentioned_is_told_and_so_is_who_takes_part_and_may_read_the_record(
    customer: Running, user: User, colleague: User, talk: Talk
) -> None:
    left, mate = [await customer.user(user.tenant_id, grants={"accounts.read": Scope.ALL}) for _ in range(2)]
    for each in (left, mate):
        await talk.say(each)
    await customer.change_user(left, active=False)
    # What the directory says is believed for a second.
    customer.service.directory.forget(user.tenant_id)
    first = await talk.say(colleague, SECRET, mentioned_user_ids=[str(mate.id)])
    told = await notices_of(customer, user.tenant_id)
    # The owner and who commented before, but nobody who has lost the right, and nobody twice for one comment.
    assert told[-2:] == [("MENTIONED", {str(mate.id)}), ("COMMENTED", {str(user.id)})]
    await talk.edit(colleague, first, text="other", mentioned_user_ids=[str(mate.id), str(user.id)])
    await talk.edit(colleague, first, text="yet another")
    assert (await notices_of(customer, user.tenant_id))[len(told) :] == [("MENTIONED", {str(user.id)})]


async def test_who_takes_part_is_found_among_the_last_comments_however_many_there_are(
    customer: Running, user: User
) -> None:
    values = {"tenant_id": user.tenant_id, "collection": "accounts", "record_id": new_id(), "most": 20}
    plan = await plan_of(customer.service.database, user.tenant_id, last_authors(), values)
    nodes = scans_of(plan)
    # Bounded once below where they are put together, and read in the order of the index.
    assert nodes.count("Limit") == 2
    assert nodes[-1].startswith("Index") and not nodes[-1].startswith("Bitmap")


async def test_nobody_is_told_of_what_they_said_themselves_or_of_what_was_refused(
    customer: Running, user: User, talk: Talk
) -> None:
    await talk.say(user, mentioned_user_ids=[str(user.id)])
    await talk.say(user)
    stranger = await customer.user(user.tenant_id, grants=OWN)
    with refused("INVALID_ARGUMENT", "MENTION_NOT_ALLOWED"):
        await talk.say(user, mentioned_user_ids=[str(stranger.id)])
    assert await notices_of(customer, user.tenant_id) == []


async def test_what_is_deleted_or_written_over_is_nowhere_in_the_database(
    customer: Running, user: User, talk: Talk
) -> None:
    """Neither in a history, nor in an event that brokers keep for weeks, nor under the key of the request."""
    deleted, edited = await talk.say(user, SECRET, key="k1"), await talk.say(user, SECRET, key="k2")
    await talk.delete(user, deleted)
    await talk.edit(user, edited, text="never mind")
    async with customer.unit_of_work(user.tenant_id) as work:
        (found,) = await work.all(texts_with(), like=f"%{SECRET}%")
    assert (found["comments"], found["changes"], found["events"], found["answers"]) == (0, 0, 0, 0)
    # Whoever repeats the request brings the text along, and gets the first answer.
    assert await talk.say(user, SECRET, key="k1") == deleted
    assert [each.text for each in await talk.list(user)] == ["never mind", ""]


async def test_events_say_who_commented_what_and_not_what_they_said(customer: Running, user: User, talk: Talk) -> None:
    comment = await talk.say(user)
    await talk.edit(user, comment, text="other")
    await talk.delete(user, comment)
    async with customer.unit_of_work(user.tenant_id) as work:
        rows = await work.all(events_of(), id=UUID(comment.id))
    told: list[Any] = [payload_of(event_of(row["event"])) for row in rows]
    assert [type(each) for each in told] == [events.CommentCreated, events.CommentUpdated, events.CommentDeleted]
    assert {(each.comment.id, each.comment.record_id, each.comment.text) for each in told} == {
        (comment.id, talk.at["record_id"], "")
    }
    assert list(told[1].changed_fields) == ["edit_time"]


async def notices_of(customer: Running, tenant_id: UUID) -> list[tuple[str, set[str]]]:
    """What people were told of the account, in order: the kind, and whom; never what was said."""
    async with customer.unit_of_work(tenant_id) as work:
        rows = await work.all(notices())
    told: list[Any] = [payload_of(event_of(row["event"])) for row in rows]
    assert {(each.collection, each.record_name, each.text) for each in told} <= {("accounts", "华信电力有限公司", "")}
    return [(Kind.Name(each.kind).removeprefix("NOTICE_KIND_"), set(each.user_ids)) for each in told]


@statement
def notices() -> Select[Any]:
    return (
        select(outbox.c.event)
        .where(outbox.c.tenant_id == bindparam("tenant_id"), outbox.c.subject.contains(".NoticeRaised."))
        .order_by(outbox.c.id)
    )


@statement
def events_of() -> Select[Any]:
    return (
        select(outbox.c.event)
        .where(outbox.c.tenant_id == bindparam("tenant_id"), outbox.c.aggregate_id == bindparam("id"))
        .order_by(outbox.c.aggregate_version)
    )


@statement
def texts_with() -> Select[Any]:
    """In how many rows the text is found, of comments, of histories, of events and of kept answers."""
    like: Any = bindparam("like", type_=Text)
    tenant_id: Any = bindparam("tenant_id")

    def count(table: Any, text: Any) -> Any:
        return select(func.count()).where(table.c.tenant_id == tenant_id, text.like(like)).scalar_subquery()

    return select(
        count(comments, comments.c.text).label("comments"),
        count(changes, cast(changes.c.fields, Text)).label("changes"),
        count(outbox, func.encode(outbox.c.event, "escape")).label("events"),
        count(idempotency_keys, func.encode(idempotency_keys.c.response, "escape")).label("answers"),
    )
