"""The gate before verbs that can be approved: a call that a policy wants approved first changes nothing.

The verb is run all the same, and what it gathered is thrown away: so what it refuses it refuses as ever, and nobody
learns from a policy what they would not learn from the verb. Where a tenant has no policy, nothing is added to a call
but a look at what the process remembers.
"""

from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from google.protobuf.message import Message

from crm_kit.approvals.declaration import Approvable
from crm_kit.approvals.policies.book import book_of
from crm_kit.approvals.policies.model import ApprovalPolicy, Measured, Outcome, Row
from crm_kit.approvals.queries import etag_now, roles_of
from crm_kit.database.work import Reader, UnitOfWork
from crm_kit.directory.access import Directory
from crm_kit.errors import (
    Conflict,
    CrmError,
    EtagMismatch,
    FailedPrecondition,
    NotFound,
    PermissionDenied,
    denied,
    invalid_field,
)
from crm_kit.resource.actions import ApprovalNeed, NeedOf, Verb, not_needed
from crm_kit.working_time.calendars import WorkingCalendars

Run = Callable[[Any, Any], Awaitable[Message]]


@dataclass(frozen=True, slots=True)
class Asking:
    """A call that a policy does not let go at once: by which of its rows, and what it measured."""

    policy: ApprovalPolicy
    row: Row
    measured: Measured

    @property
    def error(self) -> CrmError:
        """What a caller is told: to submit the request instead, or that nobody may do it."""
        policy, steps = self.policy, self.row.steps
        if self.row.outcome is Outcome.REFUSE:
            return refused_by(policy)
        detail = f"nothing was changed: {policy.display_name} asks for approval; submit the request for it"
        values = {"policy_id": str(policy.id), "policy": policy.display_name, "verb": policy.verb}
        values |= {"collection": policy.collection, "steps": str(len(steps))}
        values["submit_path"] = f"/v1/approvals/{policy.collection.replace('_', '-')}:{policy.verb}"
        return FailedPrecondition(detail, reason="APPROVAL_REQUIRED", metadata=values)


class Gate:
    """What can be approved in a process, and the verbs behind it; one per process."""

    def __init__(self, approvables: Iterable[Approvable], directory: Directory, calendars: WorkingCalendars) -> None:
        self._approvables = {each.path: each for each in approvables}
        self._runs: dict[str, Run] = {}
        self.directory = directory
        self.calendars = calendars

    @property
    def approvables(self) -> Sequence[Approvable]:
        return list(self._approvables.values())

    def around(self, path: str, run: Run) -> Run:
        """The method of an rpc behind the gate; as it is where it cannot be approved."""
        approvable = self._approvables.get(path)
        if approvable is None:
            return run
        self._runs[path] = run

        async def gated(request: Any, work: UnitOfWork) -> Message:
            if await self._policy_of(approvable, work) is None:
                return await run(request, work)
            return await self._measured(approvable, request, work)

        return gated

    async def _measured(self, approvable: Approvable, request: Any, work: UnitOfWork) -> Message:
        """Run the verb on the record that was measured: when that is another by then, all of it is tried again."""
        bound = approvable.request()
        bound.CopyFrom(request)
        bound.etag = request.etag or await etag_now(work, approvable, approvable.record_of(request))
        asking = await self.asking(approvable, bound, work)
        try:
            response = await self._runs[approvable.path](bound, work)
        except EtagMismatch:
            if request.etag:
                raise
            raise Conflict("the record has changed at the same time; try again") from None
        if asking is not None:
            raise asking.error
        return response

    def find(self, collection: str, verb: str, *, field: str = "verb") -> Approvable:
        """What is declared of a verb. NotFound for a collection that has none, InvalidArgument for another verb."""
        verbs = {each.verb.name: each for each in self.of(collection)}
        if verb not in verbs:
            choices = ", ".join(sorted(verbs))
            raise invalid_field(field, "string.in", f"must be one of {choices}", metadata={"choices": choices})
        return verbs[verb]

    def of(self, collection: str) -> Sequence[Approvable]:
        """What can be approved in a collection; NotFound when nothing."""
        found = [each for each in self._approvables.values() if each.resource.collection == collection]
        if not found:
            raise NotFound(f"nothing of {collection!r} is approved here", reason="COLLECTION_NOT_FOUND")
        return found

    async def asking(
        self, approvable: Approvable, request: Any, work: UnitOfWork, *, fresh: bool = False
    ) -> Asking | None:
        """Why a call may not take effect at once; None when it may.

        Whoever asks raises `error` after what the verb itself refuses.
        """
        policy = await self._policy_of(approvable, work, fresh=fresh)
        if policy is None:
            return None
        before = await approvable.resource.find(work, approvable.record_of(request))
        measured = approvable.measure(before, request)
        if measured is None:
            return None
        row = policy.row_for(measured, await roles_of(work, work.actor.user_id))
        if row.outcome is Outcome.ALLOW:
            return None
        if not fresh:
            return await self.asking(approvable, request, work, fresh=True)
        return Asking(policy, row, measured)

    async def needs(self, collection: str, reader: Reader) -> NeedOf:
        """Whether the caller's verbs have to be approved; PermissionDenied for what a policy lets nobody do."""
        found = [each for each in self._approvables.values() if each.resource.collection == collection]
        policies = {each.rpc: (each, policy) for each in found if (policy := await self._policy_of(each, reader))}
        if not policies:
            return not_needed
        role_ids = await roles_of(reader, reader.actor.user_id)

        def need_of(verb: Verb, record: Any) -> ApprovalNeed:
            if verb.rpc not in policies:
                return not_needed(verb, record)
            return need_by(*policies[verb.rpc], record, role_ids)

        return need_of

    async def _policy_of(self, approvable: Approvable, reader: Reader, *, fresh: bool = False) -> ApprovalPolicy | None:
        collection, verb = approvable.resource.collection, approvable.verb.name
        return await book_of(reader.database).find(reader, collection, verb, fresh=fresh)

    async def run(self, approvable: Approvable, request: Message, work: UnitOfWork) -> None:
        """Do what the verb does, past the gate."""
        await self._runs[approvable.path](request, work)

    async def try_out(self, approvable: Approvable, request: Message, work: UnitOfWork) -> None:
        """Refuse what the verb would refuse now; nothing of it becomes true."""
        if work.is_open:
            async with work.undone():
                await self.run(approvable, request, work)
            return
        await work.release()
        trial = UnitOfWork(work.database, work.actor, scope=work.scope, now=work.now)
        try:
            await self.run(approvable, request, trial)
        finally:
            await trial.close()


def need_by(approvable: Approvable, policy: ApprovalPolicy, record: Any, role_ids: Collection[UUID]) -> ApprovalNeed:
    """What a policy says of a verb on a record before it is known what is asked for."""
    if approvable.by_request:
        asks = policy.may_ask(role_ids)
        return ApprovalNeed.MAY_BE_NEEDED if asks else ApprovalNeed.NOT_NEEDED
    measured = approvable.measure(record, approvable.request())
    outcome = Outcome.ALLOW if measured is None else policy.row_for(measured, role_ids).outcome
    if outcome is Outcome.REFUSE:
        raise refused_by(policy)
    return ApprovalNeed.NEEDED if outcome is Outcome.ASK else ApprovalNeed.NOT_NEEDED


def refused_by(policy: ApprovalPolicy) -> PermissionDenied:
    return denied("policy", f"{policy.display_name} lets nobody do this", policy=policy.display_name)
