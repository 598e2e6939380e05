"""The verbs of a case, from its creation to its end: which are legal when, and the event of each."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from crm.service_desk.v1 import cases_pb2 as pb
from crm.service_desk.v1 import events_pb2

from tests.service.nameless import nameless
from tests.service.running import refused
from tests.service.service_desk.desk import Desk, milestone, patch, state, state_of


async def test_a_case_from_its_creation_to_its_end(desk: Desk) -> None:
    case = await desk.create()
    case = await desk.do("AssignCase", case, assignee_id=str(desk.user.id))
    case = await desk.do("ReplyToCustomer", case, text="we come today")
    case = await desk.do("WaitForCustomer", case, text="when are you at home?")
    case = await desk.do("RecordCustomerMessage", case, text="all day")
    case = await desk.do("WaitForThirdParty", case, text="the grid")
    case = await desk.do("OpenCase", case)
    case = await desk.do("AddNote", case, text="fuse F3")
    case = await desk.do("ResolveCase", case, resolution="new fuse")
    case = await desk.do("CloseCase", case)
    assert (state(case), case.resolution) == ("CLOSED", "new fuse")
    assert await desk.log(case) == [
        "CREATED",
        "OPENED",
        "PUBLIC_REPLY",
        "PAUSED",
        "CUSTOMER_MESSAGE",
        "OPENED",
        "PAUSED",
        "RESUMED",
        "OPENED",
        "INTERNAL_NOTE",
        "RESOLVED",
        "CLOSED",
    ]
    assert (state_of(case, "FIRST_RESPONSE"), state_of(case, "RESOLUTION")) == ("MET", "MET")
    (replied,) = await desk.emitted(events_pb2.CaseReplied)
    (resolved,) = await desk.emitted(events_pb2.CaseResolved)
    (closed,) = await desk.emitted(events_pb2.CaseClosed)
    assert {each.case.id for each in (replied, resolved, closed)} == {case.id}
    assert (replied.text, state(resolved.case), closed.case) == ("we come today", "RESOLVED", nameless(case))


@pytest.mark.parametrize(
    ("verb", "fields", "legal"),
    [
        ("ResolveCase", {"resolution": "x"}, "CANCELLED, OPEN"),
        ("CloseCase", {}, "CANCELLED, OPEN"),
        ("WaitForCustomer", {}, "CANCELLED, OPEN"),
        ("ReopenCase", {"cause": "x"}, "CANCELLED, OPEN"),
    ],
)
async def test_an_illegal_move_of_a_new_case_names_the_legal_ones(
    desk: Desk, verb: str, fields: dict[str, Any], legal: str
) -> None:
    case = await desk.create()
    with refused("FAILED_PRECONDITION", "ILLEGAL_STATE") as refusal:
        await desk.do(verb, case, **fields)
    assert refusal.detail.endswith(legal)
    assert await desk.get(case) == case


async def test_every_version_of_a_case_has_one_event_which_is_that_of_its_verb(desk: Desk) -> None:
    me = str(desk.user.id)
    case = await desk.create()
    await desk.do("AssignCase", case, assignee_id=me)
    await desk.do("AssignCase", case, assignee_id=me)
    await desk.cases.UpdateCase(patch(case, title="no light"), metadata=desk.user.metadata)
    await desk.do("WaitForThirdParty", case)
    await desk.do("OpenCase", case)
    await desk.do("WaitForCustomer", case)
    await desk.do("RecordCustomerMessage", case, text="at home")
    await desk.do("ReplyToCustomer", case, text="hello?", undelivered=True)
    await desk.do("ReplyToCustomer", case, text="we come today")
    await desk.do("AddNote", case, text="fuse F3")
    await desk.do("ResolveCase", case, resolution="new fuse")
    await desk.do("CloseCase", case)
    await desk.do("ReopenCase", case, cause="dark again")
    await desk.do("CancelCase", case, cause="moved away")
    names = [
        "CaseCreated",
        "CaseAssigned",
        "CaseUpdated",
        "CaseWaitingForThirdParty",
        "CaseOpened",
        "CaseWaitingForCustomer",
        "CaseCustomerMessageRecorded",
        "CaseNoteAdded",
        "CaseReplied",
        "CaseNoteAdded",
        "CaseResolved",
        "CaseClosed",
        "CaseReopened",
        "CaseCancelled",
    ]
    assert await desk.versions(case.id) == list(enumerate(names, 1))
    (updated,) = await desk.emitted(events_pb2.CaseUpdated)
    assert (updated.case.title, list(updated.changed_fields)) == ("no light", ["title"])
    (recorded,) = await desk.emitted(events_pb2.CaseCustomerMessageRecorded)
    assert recorded.text == "at home"


async def test_a_complaint_closes_only_after_a_reply_that_reached_the_customer(desk: Desk) -> None:
    case = await desk.create(kind=pb.Case.KIND_COMPLAINT, assignee_id=str(desk.user.id))
    case = await desk.do("ResolveCase", case, resolution="refund")
    case = await desk.do("ReplyToCustomer", case, text="sorry", undelivered=True)
    with refused("FAILED_PRECONDITION", "COMPLAINT_WITHOUT_REPLY"):
        await desk.do("CloseCase", case)
    assert not await desk.emitted(events_pb2.CaseReplied)
    await desk.do("ReplyToCustomer", case, text="sorry", medium=pb.ReplyToCustomerRequest.MEDIUM_CALL)
    assert state(await desk.do("CloseCase", case)) == "CLOSED"


async def test_a_cancelled_case_owes_nothing_more(desk: Desk) -> None:
    case = await desk.do("CancelCase", await desk.create(), cause="spam")
    assert (state(case), state_of(case, "RESOLUTION")) == ("CANCELLED", "CANCELLED")
    with refused("FAILED_PRECONDITION", "ILLEGAL_STATE"):
        await desk.do("OpenCase", case)


async def test_a_case_is_reopened_within_the_window_only(desk: Desk) -> None:
    case = await desk.create(assignee_id=str(desk.user.id))
    case = await desk.do("ResolveCase", case, resolution="new fuse")
    await desk.advance(timedelta(days=13))
    case = await desk.do("ReopenCase", case, cause="dark again")
    assert (state(case), case.reopenings, case.HasField("resolve_time")) == ("REOPENED", 1, False)
    (event,) = await desk.emitted(events_pb2.CaseReopened)
    assert event.case.id == case.id
    case = await desk.do("OpenCase", case)
    case = await desk.do("ResolveCase", case, resolution="new cable")
    await desk.advance(timedelta(days=15))
    with refused("FAILED_PRECONDITION", "ILLEGAL_STATE"):
        await desk.do("ReopenCase", case, cause="dark again")


async def test_a_message_after_the_solution_reopens_the_case_and_its_clock_goes_on(desk: Desk) -> None:
    await desk.promise(first_response=60, resolution=600)
    case = await desk.create(assignee_id=str(desk.user.id))
    resolved = await desk.do("ResolveCase", case, resolution="new fuse")
    await desk.advance(timedelta(hours=20))
    await desk.do("CloseCase", case)
    await desk.advance(timedelta(hours=20))
    again = await desk.do("RecordCustomerMessage", case, text="dark again", key="m-1")
    assert await desk.do("RecordCustomerMessage", case, text="dark again", key="m-1") == again
    assert (state(again), again.reopenings, again.HasField("close_time")) == ("REOPENED", 1, False)
    assert (await desk.log(case))[-2:] == ["CUSTOMER_MESSAGE", "REOPENED"]
    assert state_of(again, "RESOLUTION") == "RUNNING"
    stopped = again.update_time.ToDatetime() - resolved.resolve_time.ToDatetime()
    due = case.create_time.ToDatetime() + timedelta(minutes=600) + stopped
    assert milestone(again, "RESOLUTION").due_time.ToDatetime() == due
    (told,) = await desk.emitted(events_pb2.CaseCustomerMessageRecorded)
    assert (told.text, state(told.case)) == ("dark again", "REOPENED")


async def test_a_message_long_after_the_solution_is_refused_with_the_way_out(desk: Desk) -> None:
    case = await desk.create(assignee_id=str(desk.user.id))
    await desk.do("ResolveCase", case, resolution="new fuse")
    await desk.advance(timedelta(days=15))
    with refused("FAILED_PRECONDITION", "ILLEGAL_STATE") as refusal:
        await desk.do("RecordCustomerMessage", case, text="dark again")
    assert "create a new case" in refusal.detail


async def test_what_can_be_done_with_a_case_is_told_with_the_reason_why_not(desk: Desk) -> None:
    case = await desk.create(kind=pb.Case.KIND_COMPLAINT, assignee_id=str(desk.user.id))
    refusals = {verb: reason for verb, reason in (await desk.possible(case)).items() if reason}
    assert refusals == dict.fromkeys(["OpenCase", "CloseCase", "ReopenCase"], "ILLEGAL_STATE")
    await desk.do("ResolveCase", case, resolution="refund")
    possible = await desk.possible(case)
    assert (possible["CloseCase"], possible["ReopenCase"]) == ("COMPLAINT_WITHOUT_REPLY", "")
    await desk.advance(timedelta(days=15))
    assert (await desk.possible(case))["ReopenCase"] == "ILLEGAL_STATE"


async def test_a_repeated_reply_with_the_same_key_is_one_reply(desk: Desk) -> None:
    case = await desk.create()
    first = await desk.do("ReplyToCustomer", case, text="hello", key="k-1")
    assert await desk.do("ReplyToCustomer", case, text="hello", key="k-1") == first
    assert (await desk.log(case)).count("PUBLIC_REPLY") == 1


async def test_a_stale_etag_is_refused_and_changes_nothing(desk: Desk) -> None:
    case = await desk.create()
    await desk.do("AddNote", case, text="first")
    with refused("ABORTED", "ETAG_MISMATCH"):
        await desk.do("OpenCase", case, etag=case.etag)
    with refused("ABORTED", "ETAG_MISMATCH"):
        await desk.cases.UpdateCase(patch(case, title="x", etag=case.etag), metadata=desk.user.metadata)
    assert state(await desk.get(case)) == "NEW"


async def test_of_many_notes_at_once_none_is_lost(desk: Desk) -> None:
    case = await desk.create()
    await asyncio.gather(*(desk.do("AddNote", case, text=f"n{number}") for number in range(8)))
    request = pb.ListCaseEventsRequest(id=case.id)
    events = (await desk.cases.ListCaseEvents(request, metadata=desk.user.metadata)).events
    assert [each.position for each in events] == list(range(1, 10))
    assert {each.text for each in events[1:]} == {f"n{number}" for number in range(8)}
