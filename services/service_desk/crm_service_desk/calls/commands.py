"""Every write on calls. Each function is one transaction's work."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from crm.service_desk.v1 import events_pb2 as events
from crm_kit.accounts import Accounts
from crm_kit.contacts import Contacts
from crm_kit.database.connections import row_of
from crm_kit.database.locks import advisory_lock
from crm_kit.database.statements import statement
from crm_kit.database.work import UnitOfWork
from crm_kit.errors import denied, illegal_state, invalid_field
from crm_kit.identity.access import Scope, reaches, service_actor
from crm_kit.ids import new_id
from crm_kit.phone_numbers import normal
from google.protobuf.message import Message
from sqlalchemy import bindparam, exists, update
from sqlalchemy.dialects.postgresql import insert

from crm_service_desk.addresses.model import as_compared, is_withheld
from crm_service_desk.addresses.queries import find_known_sender
from crm_service_desk.calls.facts import CallFact, Direction, FactKind, State, check_fits
from crm_service_desk.calls.model import DECIDED, Call, Match
from crm_service_desk.calls.notices import tell_missed
from crm_service_desk.calls.queries import (
    find_call,
    find_facts,
    find_team,
    is_active_user,
    is_our_telephone,
    is_overdue,
)
from crm_service_desk.calls.resource import CALLS
from crm_service_desk.calls.tables import call_facts, call_timers, calls
from crm_service_desk.cases.commands import require_customer
from crm_service_desk.channels.model import Channel
from crm_service_desk.channels.resource import CHANNELS

ACCOUNTS_READ = "accounts.read"
# So long after the last word of it a call has ended.
SILENCE_LASTS = timedelta(hours=4)
# So soon the adapter has to begin a call that was asked for.
DIALLING_LASTS = timedelta(minutes=1)
# What only we say: of these alone no telephone system has heard.
UNHEARD = (FactKind.REQUESTED, FactKind.EXPIRED)
# What becomes true of a call that has come so far; RINGING is told of each telephone.
MOVED: Mapping[State, type[Message]] = {
    State.REQUESTED: events.CallRequested,
    State.ANSWERED: events.CallAnswered,
    State.ENDED: events.CallEnded,
}


async def receive_event(work: UnitOfWork, channel_id: UUID, source_id: str, fact: CallFact) -> Call:
    """Take in what happened to a call, and do what follows; what was told before changes nothing.

    The service does it in its own name, for the whole tenant, as it does for messages.
    """
    if work.scope is not Scope.ALL:
        raise denied("scope_all", "a call may be anybody's: the permission is needed with the scope ALL")
    region = work.actor.access.default_region
    with work.acting_as(service_actor(work.tenant_id), Scope.ALL):
        channel = await telephone_channel(work, channel_id)
        check_recording(fact, channel)
        fact = replace(
            fact,
            from_number=caller_of(fact, region=region),
            to_number=as_compared(fact.to_number, region=region) if fact.to_number else None,
        )
        await advisory_lock(work, f"call {channel.id} {source_id}")
        before = await find_call(work, channel.id, source_id)
        facts = await find_facts(work, before.id) if before else []
        if before is not None and fact in facts:
            return before
        await check_new(work, channel, before, fact, facts)
        return await tell(work, channel, source_id, before, [*facts, fact])


def caller_of(fact: CallFact, *, region: str) -> str | None:
    """The number that calls, as all are compared; none where it is withheld, however the telephone system says so."""
    number = fact.from_number
    return None if number is None or is_withheld(number) else as_compared(number, region=region)


async def check_new(
    work: UnitOfWork, channel: Channel, before: Call | None, fact: CallFact, facts: Sequence[CallFact]
) -> None:
    """Whether something can have happened to a call, which nobody has told of so far."""
    if before is None:
        # What has begun goes on to its end.
        channel.require_taking()
    check_fits(fact, facts, now=work.now, begin_time=before.begin_time if before else None)
    if fact.user_id is not None and not await is_active_user(work, fact.user_id):
        raise invalid_field("event.user_id", "reference", "is not an active user", reason="REFERENCE_NOT_FOUND")


async def tell(
    work: UnitOfWork, channel: Channel, source_id: str, before: Call | None, facts: Sequence[CallFact]
) -> Call:
    """Gather the last of the facts of a call, what they all add up to, and what follows."""
    call = (before or begun(work, channel, source_id, facts[0])).after(facts, telephones(channel, before))
    if any(fact.kind not in UNHEARD for fact in facts):
        call = await identified(work, before, call)
    call = await placed(work, call, before)
    if call.customer_number is not None:
        # After that of the call: calls of one number wait here for one another.
        await advisory_lock(work, f"call number {call.customer_number}")
    event = event_of(before, call)
    name = channel.display_name
    told = (
        CALLS.create(work, call, event, channel_name=name)
        if before is None
        else CALLS.save(work, before, call, event, channel_name=name)
    )
    work.insert(call_facts, row_of(facts[-1]) | {"call_id": call.id, "position": len(facts), "receive_time": work.now})
    wait_for_more(work, told)
    if told.missed or told.reached:
        # It goes by what is written of this call, too.
        await work.flush()
        work.execute(mark_called_back(), number=told.customer_number)
    if told.missed and not (before and before.missed):
        await tell_missed(work, told)
    return told


def telephones(channel: Channel, before: Call | None) -> Mapping[str, UUID]:
    """Whose telephones are; that of the call stays whose it was, whoever has got its extension since."""
    if before is None or before.extension is None or before.user_id is None:
        return channel.users_by_extension
    return {**channel.users_by_extension, before.extension: before.user_id}


def begun(work: UnitOfWork, channel: Channel, source_id: str, fact: CallFact) -> Call:
    """A call of which nothing was told so far."""
    return Call(
        id=new_id(),
        channel_id=channel.id,
        source_id=source_id,
        direction=fact.direction,
        state=State.RINGING,
        match=Match.UNKNOWN,
        begin_time=fact.happen_time,
        create_time=work.now,
        update_time=work.now,
    )


async def identified(work: UnitOfWork, before: Call | None, call: Call) -> Call:
    """The call with whose it is, unless that is known already, or somebody has said so."""
    is_known = before is not None and before.match is Match.KNOWN and before.customer_number == call.customer_number
    if is_known or call.match in DECIDED:
        return call
    number = call.customer_number
    if number is None:
        return call.of_nobody(Match.WITHHELD)
    if await is_our_telephone(work, number):
        return call.of_nobody(Match.INTERNAL)
    return call.of(await find_known_sender(work, number))


async def placed(work: UnitOfWork, call: Call, before: Call | None) -> Call:
    """The call with the team of its agent: that which they are in when it comes to them."""
    if before is not None and before.user_id == call.user_id:
        return call
    return replace(call, user_team_id=await find_team(work, call.user_id) if call.user_id else None)


def event_of(before: Call | None, call: Call) -> type[Message]:
    """What became true of the call, if it got any further."""
    was = before.state if before else None
    if call.state is not was and call.state in MOVED:
        return MOVED[call.state]
    rang = call.ring_count > (before.ring_count if before else 0)
    if rang and call.state in (State.RINGING, State.ANSWERED):
        return events.CallRang
    return events.CallUpdated if before else events.CallCreated


def wait_for_more(work: UnitOfWork, call: Call) -> None:
    """Gather until when more is to come of a call that has not ended."""
    if call.state is State.ENDED:
        work.delete(call_timers, call_id=call.id)
        return
    patience = DIALLING_LASTS if call.state is State.REQUESTED else SILENCE_LASTS
    work.execute(put_timer(), call_id=call.id, due_time=work.now + patience)


async def expire(work: UnitOfWork, call_id: UUID) -> None:
    """End a call of which nothing more was heard; nothing, where it was heard of meanwhile."""
    call = await CALLS.find(work, call_id)
    if call is None:
        work.delete(call_timers, call_id=call_id)
        return
    await advisory_lock(work, f"call {call.channel_id} {call.source_id}")
    call = await CALLS.get(work, call_id)
    facts = await find_facts(work, call_id)
    if call.state is State.ENDED or not await is_overdue(work, call_id):
        return
    channel = await CHANNELS.get(work, call.channel_id)
    # It lasted as long as we know of it.
    last = max(fact.happen_time for fact in facts)
    await tell(work, channel, call.source_id, call, [*facts, CallFact(FactKind.EXPIRED, last, call.direction)])


async def dial(work: UnitOfWork, accounts: Accounts, channel_id: UUID, number: str) -> Call:
    """Ask for a call from the caller's telephone to a number."""
    channel = await telephone_channel(work, channel_id)
    channel.require_taking()
    extension = channel.extension_of(work.actor.user_id)
    if extension is None:
        raise illegal_state("no_extension", "you have no extension in this channel")
    fact = CallFact(
        FactKind.REQUESTED,
        work.now,
        Direction.OUTBOUND,
        from_number=next(iter(channel.addresses), None),
        to_number=normal(number, region=work.actor.access.default_region, field="number").partition(";")[0],
        user_id=work.actor.user_id,
        extension=extension,
    )
    call = begun(work, channel, "", fact).after([fact], {})
    call = await placed(work, replace(call, source_id=f"dial-{call.id}"), None)
    call = await visibly_identified(work, accounts, call)
    CALLS.create(work, call, events.CallRequested, channel_name=channel.display_name)
    work.insert(call_facts, row_of(fact) | {"call_id": call.id, "position": 1, "receive_time": work.now})
    wait_for_more(work, call)
    return call


async def visibly_identified(work: UnitOfWork, accounts: Accounts, call: Call) -> Call:
    """The call with whose it is, where the caller sees them: nobody asks for a call to learn whose a number is.

    Once the telephone system has heard of it, it is known to who takes part in it, as of any call.
    """
    access = work.actor.access
    sender = await find_known_sender(work, call.customer_number or "")
    if sender.account_id is None or not access.may(ACCOUNTS_READ):
        return call
    is_seen = await accounts.find(work, sender.account_id, scope=access.scope(ACCOUNTS_READ)) is not None
    return call.of(sender) if is_seen else call


async def assign_call(
    work: UnitOfWork, accounts: Accounts, contacts: Contacts, before: Call, customer: dict[str, UUID | None]
) -> Call:
    """Say whose a call is; `customer` has `account_id` and `contact_id`, which the caller has to see.

    PermissionDenied for who takes it from an account that they do not see, and at whose telephone it only rang.
    """
    await require_customer(work, accounts, contacts, customer, place="")
    account_id = customer["account_id"]
    assert account_id is not None, "the contract wants one"
    if before.account_id is not None and before.account_id != account_id:
        await check_takes(work, accounts, before, before.account_id)
    return await decide(work, before, before.assign(account_id, customer["contact_id"]), events.CallAssigned)


async def check_takes(work: UnitOfWork, accounts: Accounts, call: Call, account_id: UUID) -> None:
    """PermissionDenied for who neither was the one to talk, or is above them, nor sees the account it is taken from."""
    access = work.actor.access
    if reaches(work.scope, work.actor, call.user_id, call.user_team_id):
        return
    if access.may(ACCOUNTS_READ) and await accounts.find(work, account_id, scope=access.scope(ACCOUNTS_READ)):
        return
    detail = "it rang at your telephone, and another talked with a customer who is not yours: they move it"
    raise denied("call_of_another", detail)


async def ignore_call(work: UnitOfWork, before: Call) -> Call:
    """Say that a call is no customer's."""
    return await decide(work, before, before.ignore(), events.CallIgnored)


async def decide(work: UnitOfWork, before: Call, after: Call, event: type[Message]) -> Call:
    """Gather what somebody says of a call."""
    channel = await CHANNELS.get(work, before.channel_id)
    return CALLS.save(work, before, after, event, channel_name=channel.display_name)


async def telephone_channel(work: UnitOfWork, id: UUID) -> Channel:
    """The channel of telephones that a request names."""
    channel = await CHANNELS.find(work, id, scope=Scope.ALL)
    if channel is None:
        raise invalid_field("channel_id", "reference", "does not exist", reason="REFERENCE_NOT_FOUND")
    channel.require_telephones()
    return channel


def check_recording(fact: CallFact, channel: Channel) -> None:
    """InvalidArgument for a recording that is not where the channel has its recordings."""
    url = fact.recording_url
    if fact.kind is not FactKind.RECORDING:
        return
    try:
        parts = urlsplit(url or "")
        port = parts.port
    except ValueError:
        raise invalid_field("event.recording_url", "recording_url", "is no URL") from None
    if parts.scheme != "https" or parts.username is not None or port is not None:
        detail = "must be an https URL without user and port"
        raise invalid_field("event.recording_url", "recording_url", detail)
    if parts.hostname not in channel.recording_hosts:
        detail = f"is at {parts.hostname}, which is none of the channel's recording_hosts"
        raise invalid_field("event.recording_url", "recording_host", detail, metadata={"value": parts.hostname or ""})


@statement
def put_timer() -> Any:
    fresh = insert(call_timers).values({name: bindparam(name) for name in ("tenant_id", "call_id", "due_time")})
    return fresh.on_conflict_do_update(
        index_elements=["tenant_id", "call_id"], set_={"due_time": fresh.excluded.due_time}
    )


@statement
def mark_called_back() -> Any:
    """Those missed calls of a number that began before one of ours to it was answered."""
    ours = calls.alias("ours")
    reached = exists().where(
        ours.c.tenant_id == calls.c.tenant_id,
        ours.c.customer_number == calls.c.customer_number,
        ours.c.direction == Direction.OUTBOUND,
        ours.c.answer_time >= calls.c.begin_time,
    )
    return (
        update(calls)
        .where(
            calls.c.tenant_id == bindparam("tenant_id"),
            calls.c.customer_number == bindparam("number"),
            calls.c.missed,
            ~calls.c.called_back,
            reached,
        )
        .values(called_back=True)
    )
