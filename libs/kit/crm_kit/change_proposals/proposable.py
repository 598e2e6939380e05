"""What changes can be proposed of: a collection, and how one of its records gets what is proposed.

A proposal has the content of an update, as REST is sent it, and is checked as one: by the contract, by the tenant's own
fields, and by the rules of the record, which are tried and undone.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from crm_kit.automation.requests import KNOWN_EVERYWHERE, check_literal, literal_request
from crm_kit.automation.watched import UPDATE, Call
from crm_kit.change_proposals.resource import ChangeProposals, change_proposals_of
from crm_kit.custom_fields.definitions import definitions_of
from crm_kit.custom_fields.model import CustomField
from crm_kit.database.work import Reader, UnitOfWork
from crm_kit.errors import FieldViolation, InvalidArgument, denied
from crm_kit.etags import etag_of
from crm_kit.field_rights import CUSTOM, OF_OWNERS, is_hidden
from crm_kit.jobs.calling import Changeable
from crm_kit.resource.contract import takes_proposals
from crm_kit.resource.owners import may
from crm_kit.resource.values import DeclarationError
from crm_kit.resource.writing import Resource

PLACE = "change_proposal.values"
Values = Mapping[str, object]


@dataclass(frozen=True, slots=True, eq=False)
class Proposable:
    """A collection of whose records people propose changes, by its own update.

    `known` are the collections whose records values may refer to: the service looks them up itself.
    """

    changeable: Changeable
    proposals: ChangeProposals
    known: frozenset[str]

    @property
    def records(self) -> Resource[Any, Any]:
        return self.changeable.resource

    @property
    def collection(self) -> str:
        return self.records.collection

    @property
    def update(self) -> Call:
        return self.changeable.calls[UPDATE]

    async def may_decide(self, reader: Reader, record_id: UUID) -> bool:
        """Whether the caller may change the record."""
        return await may(reader, self.records, record_id, self.update.permission)

    async def check_decides(self, reader: Reader, record_id: UUID) -> None:
        """PermissionDenied for who may read the record and not change it."""
        if not await self.may_decide(reader, record_id):
            detail = f"whoever decides a proposal needs {self.update.permission} in a scope that reaches the record"
            raise denied("may_not_decide", detail, permission=self.update.permission)

    async def check(self, reader: Reader, values: Values) -> None:
        """InvalidArgument for values that no record can have, for owners, and for what is hidden from the caller."""
        hidden = self.records.hidden_from(reader)
        refused = [*_unknown(values), *_hidden(values, hidden)]
        if refused:
            raise InvalidArgument("; ".join(f"{each.field}: {each.detail}" for each in refused), violations=refused)
        custom: Mapping[str, CustomField] = {}
        if self.records.has_custom:
            custom = (await definitions_of(reader, self.collection, fresh=True)).fields
        check_literal(self.records, self.update, content_of(values), custom, place=PLACE, known=self.known)

    async def unchanged(self, work: UnitOfWork, record_id: UUID, values: Values) -> set[str]:
        """Those of the fields that the record has these values of already. InvalidArgument as the update says."""
        before, changed = await self.records.to_update(work, self._request(record_id, values))
        return {path for path in values if not _changes(before, changed, path)}

    async def try_out(self, work: UnitOfWork, record_id: UUID, values: Values) -> None:
        """Refuse what the update would refuse the caller now; nothing of it becomes true."""
        request = self._request(record_id, values)
        if work.is_open:
            async with work.undone():
                await self.changeable.run(work, self.update, request)
            return
        # Who holds a connection does not wait for another.
        await work.release()
        trial = UnitOfWork(work.database, work.actor, scope=work.scope, now=work.now)
        trial.memberships = work.memberships
        try:
            await self.changeable.run(trial, self.update, request)
        finally:
            await trial.close()

    async def give(self, work: UnitOfWork, record: Any, values: Values) -> None:
        """Gather the update of a record, which has to be what was read. Errors are those of the update."""
        request = self._request(record.id, values)
        getattr(request, self.records.place).etag = etag_of(record.version)
        await self.changeable.run(work, self.update, request)

    def told(self, error: InvalidArgument) -> InvalidArgument:
        """What an update refuses, by the places that whoever proposes knows."""
        place = f"{self.records.place}."
        violations = [
            FieldViolation(f"{PLACE}.{each.field.removeprefix(place)}", each.rule, each.detail)
            for each in error.violations
        ]
        detail = "; ".join(f"{each.field}: {each.detail}" for each in violations) or error.detail
        return InvalidArgument(detail, reason=error.reason, violations=violations, metadata=error.metadata)

    def _request(self, record_id: UUID, values: Values) -> Any:
        content, id = content_of(values), str(record_id)
        return literal_request(self.records, self.update, content, record_id=id, known=self.known)


def proposables_among(changeable: Iterable[Changeable]) -> dict[str, Proposable]:
    """The collections whose records people propose changes of, by name."""
    changeable = list(changeable)
    known = KNOWN_EVERYWHERE | {each.collection for each in changeable}
    found = [each for each in changeable if takes_proposals(each.resource.message_type)]
    for each in found:
        if UPDATE not in each.calls:
            raise DeclarationError(f"{each.collection}: proposals need an update that is `automatable`")
    return {each.collection: Proposable(each, change_proposals_of(each.resource), known) for each in found}


def content_of(values: Values) -> dict[str, object]:
    """The content of an update: `custom.contract_no` is within `custom`."""
    content: dict[str, object] = {}
    custom: dict[str, object] = {}
    for path, value in values.items():
        head, _, key = path.partition(".")
        if head == CUSTOM and key:
            custom[key] = value
        else:
            content[path] = value
    return content | ({CUSTOM: custom} if custom else {})


def _unknown(values: Values) -> list[FieldViolation]:
    """Custom fields are proposed one by one, and whose a record is has verbs and rights of its own."""
    whole = FieldViolation(f"{PLACE}.{CUSTOM}", "one_by_one", "propose its fields one by one: custom.<key>")
    owners = [
        FieldViolation(f"{PLACE}.{name}", "not_proposable", "cannot be proposed: it says whose the record is")
        for name in sorted(OF_OWNERS & values.keys())
    ]
    return [*owners, *([whole] if CUSTOM in values else [])]


def _hidden(values: Values, hidden: Collection[str]) -> list[FieldViolation]:
    return [
        FieldViolation(f"{PLACE}.{path}", "hidden_field", "is hidden from you; leave it out")
        for path in values
        if is_hidden(path, hidden)
    ]


def _changes(before: Any, changed: Mapping[str, Any], path: str) -> bool:
    """Whether an update that changes these fields changes what is at a path."""
    head, _, key = path.partition(".")
    if head not in changed:
        return False
    if not key:
        return bool(changed[head] != getattr(before, head))
    return bool(changed[head].get(key) != getattr(before, head).get(key))
