"""Segments through their contract, and in the filters of accounts."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any

import pytest
from crm.customer.v1 import accounts_pb2
from crm.customer.v1 import segments_pb2 as pb
from crm.customer.v1.accounts_pb2_grpc import AccountServiceStub
from crm.customer.v1.segments_pb2_grpc import SegmentServiceStub
from crm.resource.v1 import custom_fields_pb2, resources_pb2
from crm.resource.v1.resources_pb2_grpc import ResourceServiceStub
from crm_kit.identity.access import Scope
from google.protobuf.field_mask_pb2 import FieldMask

from tests.service.customer.customers import new_account
from tests.service.history import changes_of
from tests.service.kit.custom_fields import NUMBER, new_field, stub_of, update
from tests.service.running import Running, User, refused

if TYPE_CHECKING:
    from crm.customer.v1.accounts_pb2_grpc import AccountServiceAsyncStub
    from crm.customer.v1.segments_pb2_grpc import SegmentServiceAsyncStub

STATIC, DYNAMIC = pb.Segment.KIND_STATIC, pb.Segment.KIND_DYNAMIC
Create = Callable[..., Awaitable[pb.Segment]]


@pytest.fixture
async def user(customer: Running) -> User:
    return await customer.user()


@pytest.fixture
def api(customer: Running) -> "SegmentServiceAsyncStub":
    return SegmentServiceStub(customer.channel)


@pytest.fixture
def create(api: "SegmentServiceAsyncStub", user: User) -> Create:
    """Creates a segment as `user`; keywords are its fields, `by` another user, `key` an idempotency key."""

    async def create_segment(*, by: User = user, key: str = "", **fields: Any) -> pb.Segment:
        values: dict[str, Any] = {"display_name": "First", "kind": STATIC}
        request = pb.CreateSegmentRequest(segment=pb.Segment(**values | fields))
        return await api.CreateSegment(request, metadata=by.with_key(key) if key else by.metadata)

    return create_segment


def renamed(record: pb.Segment, display_name: str, *, etag: str = "") -> pb.UpdateSegmentRequest:
    """An update of the name."""
    changed = pb.Segment(id=record.id, display_name=display_name, etag=etag)
    return pb.UpdateSegmentRequest(segment=changed, update_mask=FieldMask(paths=["display_name"]))


async def test_what_is_created_is_read_back_and_listed(
    api: "SegmentServiceAsyncStub", user: User, create: Create
) -> None:
    created = await create()
    assert (created.display_name, created.owner_id) == ("First", str(user.id))
    assert created.state == pb.Segment.STATE_ACTIVE
    assert await api.GetSegment(pb.GetSegmentRequest(id=created.id), metadata=user.metadata) == created
    page = await api.ListSegments(pb.ListSegmentsRequest(filter='display_name = "First"'), metadata=user.metadata)
    assert list(page.segments) == [created]


async def test_a_name_is_required(create: Create) -> None:
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
        await create(display_name="")
    assert set(refusal.fields) == {"segment.display_name"}


async def test_a_repeated_request_creates_one(create: Create) -> None:
    assert await create(key="once") == await create(key="once")


async def test_an_update_changes_what_the_mask_names_unless_its_etag_is_stale(
    api: "SegmentServiceAsyncStub", user: User, create: Create
) -> None:
    created = await create()
    changed = await api.UpdateSegment(renamed(created, "Second", etag=created.etag), metadata=user.metadata)
    assert (changed.display_name, changed.owner_id) == ("Second", created.owner_id)
    with refused("ABORTED", "ETAG_MISMATCH"):
        await api.UpdateSegment(renamed(created, "Third", etag=created.etag), metadata=user.metadata)


async def test_the_archived_are_left_out_of_lists_and_refuse_changes_until_restored(
    api: "SegmentServiceAsyncStub", user: User, create: Create
) -> None:
    created = await create()
    archived = await api.ArchiveSegment(pb.ArchiveSegmentRequest(id=created.id), metadata=user.metadata)
    assert archived.state == pb.Segment.STATE_ARCHIVED
    assert not (await api.ListSegments(pb.ListSegmentsRequest(), metadata=user.metadata)).segments
    page = await api.ListSegments(pb.ListSegmentsRequest(filter="state = ARCHIVED"), metadata=user.metadata)
    assert list(page.segments) == [archived]
    with refused("FAILED_PRECONDITION", "ILLEGAL_STATE"):
        await api.UpdateSegment(renamed(created, "Second"), metadata=user.metadata)
    with refused("FAILED_PRECONDITION", "ILLEGAL_STATE"):
        await api.ArchiveSegment(pb.ArchiveSegmentRequest(id=created.id), metadata=user.metadata)
    restored = await api.RestoreSegment(pb.RestoreSegmentRequest(id=created.id), metadata=user.metadata)
    assert restored.state == pb.Segment.STATE_ACTIVE


async def test_the_history_says_what_was_changed(
    customer: Running, api: "SegmentServiceAsyncStub", user: User, create: Create
) -> None:
    created = await create()
    await api.UpdateSegment(renamed(created, "Second"), metadata=user.metadata)
    told = await changes_of(customer, "segments", created.id, user.metadata)
    assert [each.action for each in told.changes] == ["UPDATED", "CREATED"]
    assert [each.field for each in told.changes[0].fields] == ["display_name"]


async def test_others_see_only_what_their_scope_reaches(
    customer: Running, api: "SegmentServiceAsyncStub", user: User, create: Create
) -> None:
    created = await create()
    own = await customer.user(user.tenant_id, grants={"segments.read": Scope.OWN})
    for caller in (own, await customer.user()):
        with refused("NOT_FOUND", "SEGMENT_NOT_FOUND"):
            await api.GetSegment(pb.GetSegmentRequest(id=created.id), metadata=caller.metadata)
    with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
        await create(by=own)


# --- members, and what filters make of them


@pytest.fixture
def accounts(customer: Running) -> "AccountServiceAsyncStub":
    return AccountServiceStub(customer.channel)


def of(segment: pb.Segment, *, more: str = "") -> str:
    """The filter that takes a segment's members, and `more`."""
    return f'segment_ids:"{segment.id}"' + (f" AND {more}" if more else "")


async def members(customer: Running, by: User, filter: str, order_by: str = "display_name") -> list[str]:
    """The names of the accounts that a filter takes."""
    request = accounts_pb2.ListAccountsRequest(filter=filter, order_by=order_by)
    page = await AccountServiceStub(customer.channel).ListAccounts(request, metadata=by.metadata)
    return [each.display_name for each in page.accounts]


async def companies(customer: Running, by: User, *names: str, **fields: Any) -> list[accounts_pb2.Account]:
    return [await new_account(customer, by, display_name=name, **fields) for name in names]


def adding(segment: pb.Segment, accounts: Sequence[accounts_pb2.Account]) -> pb.AddSegmentMembersRequest:
    return pb.AddSegmentMembersRequest(id=segment.id, account_ids=[each.id for each in accounts])


async def test_members_of_a_list_are_added_and_removed_once_however_often_that_is_said(
    customer: Running, api: "SegmentServiceAsyncStub", user: User, create: Create
) -> None:
    one, two, three = await companies(customer, user, "A", "B", "C")
    segment = await create()
    assert await members(customer, user, of(segment)) == []
    added = await api.AddSegmentMembers(adding(segment, [one, two]), metadata=user.metadata)
    assert (added.added_count, added.unchanged_count, list(added.missing_ids)) == (2, 0, [])
    assert added.segment.HasField("members_change_time")
    again = await api.AddSegmentMembers(adding(segment, [two, two, three]), metadata=user.metadata)
    assert (again.added_count, again.unchanged_count) == (1, 1)
    nothing = await api.AddSegmentMembers(adding(segment, [one, two, three]), metadata=user.metadata)
    assert (nothing.added_count, nothing.unchanged_count, nothing.segment) == (0, 3, again.segment)
    assert await members(customer, user, of(segment)) == ["A", "B", "C"]
    assert await members(customer, user, f"NOT {of(segment)}") == []
    removal = pb.RemoveSegmentMembersRequest(id=segment.id, account_ids=[one.id, two.id])
    removed = await api.RemoveSegmentMembers(removal, metadata=user.metadata)
    assert (removed.removed_count, removed.unchanged_count) == (2, 0)
    repeated = await api.RemoveSegmentMembers(removal, metadata=user.metadata)
    assert (repeated.removed_count, repeated.unchanged_count) == (0, 2)
    assert await members(customer, user, of(segment)) == ["C"]
    assert await members(customer, user, f"NOT {of(segment)}") == ["A", "B"]
    told = await changes_of(customer, "segments", segment.id, user.metadata)
    assert [each.action for each in told.changes] == ["MEMBERS_REMOVED", "MEMBERS_ADDED", "MEMBERS_ADDED", "CREATED"]


async def test_many_who_add_the_same_members_at_once_add_each_of_them_once(
    customer: Running, api: "SegmentServiceAsyncStub", user: User, create: Create
) -> None:
    found, segment = await companies(customer, user, "A", "B", "C"), await create()
    answers = await asyncio.gather(
        *(api.AddSegmentMembers(adding(segment, found), metadata=user.metadata) for _ in range(6))
    )
    assert sum(each.added_count for each in answers) == 3
    assert await members(customer, user, of(segment)) == ["A", "B", "C"]


async def test_accounts_that_are_archived_leave_and_come_back_when_they_are_restored(
    customer: Running, api: "SegmentServiceAsyncStub", accounts: "AccountServiceAsyncStub", user: User, create: Create
) -> None:
    (one, two), segment = await companies(customer, user, "A", "B"), await create()
    await api.AddSegmentMembers(adding(segment, [one, two]), metadata=user.metadata)
    await accounts.ArchiveAccount(accounts_pb2.ArchiveAccountRequest(id=one.id), metadata=user.metadata)
    assert await members(customer, user, of(segment)) == ["B"]
    late = await api.AddSegmentMembers(adding(segment, [one]), metadata=user.metadata)
    assert list(late.missing_ids) == [one.id]
    await accounts.RestoreAccount(accounts_pb2.RestoreAccountRequest(id=one.id), metadata=user.metadata)
    assert await members(customer, user, of(segment)) == ["A", "B"]


async def test_a_filter_is_asked_at_every_read_and_goes_together_with_others(
    customer: Running, accounts: "AccountServiceAsyncStub", user: User, create: Create
) -> None:
    (steel, *_) = await companies(customer, user, "A", "B", industry="steel")
    await companies(customer, user, "C", industry="power", tags=["vip"])
    segment = await create(kind=DYNAMIC, filter='industry = "steel" OR tags:"vip"')
    assert await members(customer, user, of(segment)) == ["A", "B", "C"]
    assert await members(customer, user, of(segment, more='industry = "power"')) == ["C"]
    change = accounts_pb2.Account(id=steel.id, industry="paper")
    request = accounts_pb2.UpdateAccountRequest(account=change, update_mask=FieldMask(paths=["industry"]))
    await accounts.UpdateAccount(request, metadata=user.metadata)
    assert await members(customer, user, of(segment)) == ["B", "C"]
    assert await members(customer, user, f"NOT {of(segment)}") == ["A"]


async def test_a_segment_takes_groups_of_accounts_as_lists_do(
    customer: Running, api: "SegmentServiceAsyncStub", user: User, create: Create
) -> None:
    top, _ = await companies(customer, user, "A", "Z")
    await companies(customer, user, "B", "C", parent_id=top.id)
    group = f'group_ids:"{top.id}"'
    segment = await create(kind=DYNAMIC, filter=f'{group} AND NOT display_name = "C"')
    best = await create(kind=DYNAMIC, filter=group, order_by="display_name desc", max_members=2)
    assert await members(customer, user, of(segment)) == ["A", "B"]
    assert await members(customer, user, of(best)) == ["B", "C"]
    assert await members(customer, user, f"NOT {of(best)}") == ["A", "Z"]
    blind = await customer.user(user.tenant_id, hidden_fields=["accounts.parent_id"])
    for named in (segment, best):
        with refused("INVALID_ARGUMENT", "INVALID_FILTER") as refusal:
            await members(customer, blind, of(named))
        assert "parent_id" in refusal.detail
    for wrong in ("group_ids:*", f'group_ids:"{segment.id}"'):
        with refused("INVALID_ARGUMENT", "INVALID_FILTER") as refusal:
            await create(kind=DYNAMIC, filter=wrong)
        assert refusal.fields == ["segment.filter"]
    many = await create(kind=DYNAMIC, filter=" OR ".join([group] * 5))
    with refused("INVALID_ARGUMENT", "INVALID_FILTER") as refusal:
        await members(customer, user, of(many))
    assert "at most 5" in refusal.detail


async def test_a_filter_names_five_others_however_often_it_says_the_same(
    customer: Running, user: User, create: Create
) -> None:
    await companies(customer, user, "A", industry="steel")
    segment = await create(kind=DYNAMIC, filter='industry = "steel"')
    assert await members(customer, user, " AND ".join([of(segment)] * 5)) == ["A"]
    with refused("INVALID_ARGUMENT", "INVALID_FILTER") as refusal:
        await members(customer, user, " AND ".join([of(segment)] * 6))
    assert "at most 5" in refusal.detail


async def test_counts_and_sums_take_a_segment_as_lists_do(customer: Running, user: User, create: Create) -> None:
    await companies(customer, user, "A", "B", industry="steel")
    await companies(customer, user, "C", industry="power")
    segment = await create(kind=DYNAMIC, filter='industry = "steel"')
    records = ResourceServiceStub(customer.channel)
    asked = resources_pb2.CountRecordsRequest(collection="accounts", filter=of(segment))
    assert (await records.CountRecords(asked, metadata=user.metadata)).count == 2
    summary = await records.SummarizeRecords(
        resources_pb2.SummarizeRecordsRequest(collection="accounts", filter=of(segment), group_by=["industry"]),
        metadata=user.metadata,
    )
    assert [(dict(each.key), each.count) for each in summary.groups] == [({"industry": "steel"}, 2)]


async def test_the_best_are_as_many_as_it_says_by_its_order_whoever_asks_in_whichever_order(
    customer: Running, user: User, create: Create
) -> None:
    await new_field(customer, user, "fleet_size", NUMBER)
    for name, size in (("A", 5), ("B", 40), ("C", 30), ("D", 20)):
        account = await new_account(customer, user, display_name=name)
        await update(customer, user, account.id, fleet_size=size)
    segment = await create(
        kind=DYNAMIC, filter="custom.fleet_size > 1", order_by="custom.fleet_size desc", max_members=2
    )
    assert await members(customer, user, of(segment)) == ["B", "C"]
    assert await members(customer, user, of(segment), "display_name desc") == ["C", "B"]
    assert await members(customer, user, f"NOT {of(segment)}") == ["A", "D"]


async def test_a_segment_takes_what_its_reader_sees_and_no_more(
    customer: Running, api: "SegmentServiceAsyncStub", user: User, create: Create
) -> None:
    own = await customer.user(
        user.tenant_id,
        grants={"segments.read": Scope.ALL, "accounts.read": Scope.OWN, "accounts.write": Scope.OWN},
    )
    (mine,) = await companies(customer, own, "Mine")
    (other,) = await companies(customer, user, "Other")
    listed, by_filter = await create(), await create(kind=DYNAMIC, filter="status = POTENTIAL")
    best = await create(kind=DYNAMIC, order_by="display_name desc", max_members=1)
    await api.AddSegmentMembers(adding(listed, [mine, other]), metadata=user.metadata)
    for segment, all_names in ((listed, ["Mine", "Other"]), (by_filter, ["Mine", "Other"]), (best, ["Other"])):
        assert await members(customer, user, of(segment)) == all_names
        assert await members(customer, own, of(segment)) == ["Mine"]


async def test_a_field_that_is_hidden_from_the_reader_is_not_learnt_from_a_segment_of_others(
    customer: Running, accounts: "AccountServiceAsyncStub", user: User, create: Create
) -> None:
    await new_field(customer, user, "risk", NUMBER)
    account = await new_account(customer, user, display_name="A")
    await update(customer, user, account.id, risk=9)
    blind = await customer.user(user.tenant_id, hidden_fields=["accounts.custom.risk", "accounts.industry"])
    for asked in (
        {"filter": "custom.risk > 5"},
        {"filter": 'industry = "steel"'},
        {"filter": "status = POTENTIAL", "order_by": "custom.risk desc", "max_members": 1},
    ):
        segment = await create(kind=DYNAMIC, **asked)
        for filter in (of(segment), f"NOT {of(segment)}", f"status = LOST AND {of(segment)}"):
            with refused("INVALID_ARGUMENT", "INVALID_FILTER") as refusal:
                await members(customer, blind, filter)
            assert "fields that you may not see" in refusal.detail
    with refused("INVALID_ARGUMENT", "INVALID_FILTER"):
        await create(by=blind, kind=DYNAMIC, filter="custom.risk > 5")


async def test_a_segment_whose_field_is_gone_says_so_and_is_no_empty_one(
    customer: Running, api: "SegmentServiceAsyncStub", user: User, create: Create
) -> None:
    field = await new_field(customer, user, "fleet_size", NUMBER)
    segment = await create(kind=DYNAMIC, filter="custom.fleet_size > 1")
    # Text that is looked for is no field.
    other = await create(kind=DYNAMIC, filter='legal_name:"custom.fleet_size"')
    assert not segment.unusable_fields
    put_away = custom_fields_pb2.ArchiveCustomFieldRequest(collection="accounts", id=field.id)
    await stub_of(customer).ArchiveCustomField(put_away, metadata=user.metadata)
    page = await api.ListSegments(pb.ListSegmentsRequest(), metadata=user.metadata)
    assert {each.id: list(each.unusable_fields) for each in page.segments} == {
        segment.id: ["custom.fleet_size"],
        other.id: [],
    }
    with refused("INVALID_ARGUMENT", "INVALID_FILTER") as refusal:
        await members(customer, user, of(segment))
    assert "cannot be read any more" in refusal.detail
    fixed = pb.Segment(id=segment.id, filter="status = POTENTIAL")
    request = pb.UpdateSegmentRequest(segment=fixed, update_mask=FieldMask(paths=["filter"]))
    changed = await api.UpdateSegment(request, metadata=user.metadata)
    assert not changed.unusable_fields
    assert await members(customer, user, of(segment)) == []


async def test_a_segment_that_is_archived_or_unseen_is_refused_in_filters(
    customer: Running, api: "SegmentServiceAsyncStub", user: User, create: Create
) -> None:
    segment, elsewhere = await create(), await create(by=await customer.user())
    blind = await customer.user(user.tenant_id, grants={"accounts.read": Scope.ALL})
    for by, named in ((blind, segment), (user, elsewhere)):
        with refused("INVALID_ARGUMENT", "INVALID_FILTER") as refusal:
            await members(customer, by, of(named))
        assert "does not exist" in refusal.detail
    await api.ArchiveSegment(pb.ArchiveSegmentRequest(id=segment.id), metadata=user.metadata)
    with refused("INVALID_ARGUMENT", "INVALID_FILTER") as refusal:
        await members(customer, user, of(segment))
    assert "is archived" in refusal.detail
    for wrong in ("segment_ids:*", "segment_ids = null", "segment_ids:vip"):
        with refused("INVALID_ARGUMENT", "INVALID_FILTER"):
            await members(customer, user, wrong)


async def test_what_does_not_go_with_its_kind_is_refused_by_name(
    customer: Running, api: "SegmentServiceAsyncStub", user: User, create: Create
) -> None:
    other = await create()
    for wrong, field in (
        ({"filter": "status = LOST"}, "segment.filter"),
        ({"kind": DYNAMIC}, "segment.filter"),
        ({"kind": DYNAMIC, "max_members": 5}, "segment.order_by"),
        ({"kind": DYNAMIC, "filter": "status = LOST", "order_by": "display_name"}, "segment.max_members"),
        ({"kind": DYNAMIC, "filter": "nothing = 1"}, "segment.filter"),
        ({"kind": DYNAMIC, "filter": of(other)}, "segment.filter"),
        ({"kind": DYNAMIC, "max_members": 5, "order_by": "nothing"}, "segment.order_by"),
    ):
        reason = "INVALID_FILTER" if "nothing = 1" in wrong.values() else "INVALID_ARGUMENT"
        with refused("INVALID_ARGUMENT", reason) as refusal:
            await create(**wrong)
        assert refusal.fields == [field]
    dynamic = await create(kind=DYNAMIC, filter="status = LOST")
    (account,) = await companies(customer, user, "A")
    with refused("FAILED_PRECONDITION", "SEGMENT_NOT_STATIC"):
        await api.AddSegmentMembers(adding(dynamic, [account]), metadata=user.metadata)


async def test_a_preview_counts_what_its_reader_sees_and_shows_the_first(
    customer: Running, api: "SegmentServiceAsyncStub", user: User
) -> None:
    found = await companies(customer, user, *(f"n{number:02}" for number in range(12)), industry="steel")
    await companies(customer, await customer.user(), "elsewhere", industry="steel")
    asked = pb.PreviewSegmentRequest(filter='industry = "steel"')
    seen = await api.PreviewSegment(asked, metadata=user.metadata)
    assert (seen.count, seen.exact) == (12, True)
    assert list(seen.account_ids) == [each.id for each in reversed(found)][:10]
    assert list(seen.account_names) == [each.display_name for each in reversed(found)][:10]
    asked = pb.PreviewSegmentRequest(filter='industry = "steel"', order_by="display_name", max_members=3)
    best = await api.PreviewSegment(asked, metadata=user.metadata)
    assert (best.count, best.exact, list(best.account_names)) == (3, True, ["n00", "n01", "n02"])
    named = pb.PreviewSegmentRequest(filter=of(pb.Segment(id=found[0].id)))
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
        await api.PreviewSegment(named, metadata=user.metadata)
    assert set(refusal.fields) == {"filter"}
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
        await api.PreviewSegment(pb.PreviewSegmentRequest(max_members=3), metadata=user.metadata)
    assert set(refusal.fields) == {"order_by"}


async def test_a_restricted_account_is_a_member_of_nothing_to_whom_it_is_closed(
    customer: Running, api: "SegmentServiceAsyncStub", accounts: "AccountServiceAsyncStub", user: User, create: Create
) -> None:
    (closed, seen), listed = await companies(customer, user, "Closed", "Seen", industry="steel"), await create()
    await api.AddSegmentMembers(adding(listed, [closed, seen]), metadata=user.metadata)
    restrict = accounts_pb2.RestrictAccountRequest(id=closed.id, reason="secret")
    await accounts.RestrictAccount(restrict, metadata=user.metadata)
    reader = await customer.user(user.tenant_id, grants={"accounts.read": Scope.ALL, "segments.read": Scope.ALL})
    by_filter = await create(kind=DYNAMIC, filter='industry = "steel"')
    best = await create(kind=DYNAMIC, filter='industry = "steel"', order_by="display_name", max_members=1)
    for segment in (listed, by_filter, best):
        assert await members(customer, reader, of(segment)) == ["Seen"]
