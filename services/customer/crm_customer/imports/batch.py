"""One transaction's rows, through the same commands as everybody's."""

import asyncio
import enum
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from typing import Any
from uuid import UUID

from crm_kit.custom_fields.checking import values_to_create, values_to_update
from crm_kit.custom_fields.definitions import definitions_of
from crm_kit.custom_fields.texts import value_from_text
from crm_kit.custom_fields.values import CustomValues
from crm_kit.database.work import PendingStatement, UnitOfWork, seeing_all
from crm_kit.directory.access import owned_by
from crm_kit.errors import CrmError, InvalidArgument, NotFound, invalid_field
from crm_kit.identity.access import Scope, reaches
from crm_kit.ids import id_from_bits
from crm_kit.resource.owners import given_together
from crm_kit.resource.validation import check_fields
from crm_kit.resource.writing import Resource

from crm_customer.imports.by_source import Saying
from crm_customer.imports.contacts_at import ContactsAt, contact_told, key_of
from crm_customer.imports.faults import answers_for_itself, fault_of
from crm_customer.imports.files import Fault, FileRow, Source
from crm_customer.imports.lookups import Known, Lookups, id_of, key_taken, known_accounts
from crm_customer.imports.model import Import, Mode
from crm_customer.imports.row_values import (
    changed_account,
    changed_contact,
    lacking,
    new_account,
    new_contact,
    reads_alike,
    without,
)
from crm_customer.imports.spreadsheets.mapping import Field
from crm_customer.imports.spreadsheets.rows import AccountRow
from crm_customer.records.accounts import commands as accounts
from crm_customer.records.accounts.model import IN_BUSINESS, Account, Status
from crm_customer.records.accounts.resource import ACCOUNTS
from crm_customer.records.accounts.search import lock_search_rows
from crm_customer.records.contacts import commands as contacts
from crm_customer.records.contacts.model import Contact
from crm_customer.records.contacts.queries import names_by_account
from crm_customer.records.contacts.resource import CONTACTS

GO_ON = 10
"""Rows after which others have their turn."""


class Outcome(enum.Enum):
    """What became of a sound row."""

    CREATED = enum.auto()
    UPDATED = enum.auto()
    SKIPPED = enum.auto()


@dataclass(frozen=True, slots=True)
class Done:
    """A row that is in; `left_out` is what was wrong with cells that it came in without."""

    outcome: Outcome
    left_out: tuple[Fault, ...] = ()
    # Whether it says something that its account does not have.
    disagrees: bool = False


Result = Done | tuple[Fault, ...]
"""Of a row: what became of it, or what is wrong with it."""


@dataclass(slots=True)
class Batch:
    """Rows under way in one unit. An error that one row alone cannot answer for ends the whole unit."""

    work: UnitOfWork
    job: Import
    source: Source
    lookups: Lookups
    results: list[Result] = field(default_factory=list)
    touched: set[UUID] = field(default_factory=set)
    # Whether changes of accounts were gathered since the last account was created.
    has_changes: bool = False
    # The accounts that rows of this unit create, by the first row of each.
    made: dict[int, Account] = field(default_factory=dict)
    teams: dict[tuple[UUID, str], dict[str, UUID | None]] = field(default_factory=dict)
    # At each account that was looked at or made here, and of these those that rows may speak of.
    contacts_at: dict[UUID, ContactsAt] = field(default_factory=dict)
    contacts: dict[UUID, Contact] = field(default_factory=dict)
    # What rows say by source, where the import names one.
    saying: Saying | None = None
    # Where statements of the row under way were gathered, if there are any that its contact may still fail.
    gathered: list[PendingStatement] | None = None

    def __post_init__(self) -> None:
        if self.job.value_source:
            self.saying = Saying(self.work, self.job)

    async def write(self, rows: Sequence[FileRow]) -> list[Result]:
        """Gather and send everything of the rows; a result for each."""
        told = [row.account for row in rows if row.account]
        known = await known_accounts(self.work, told)
        if self.saying and await self.saying.hold(known.account_ids):
            # What they have was compared with what sources said by who held them before.
            known = await known_accounts(self.work, told)
        if self.job.mode is not Mode.CREATE:
            await self._look_up_contacts(known.account_ids, {row.contact_name for row in told})
        for index, row in enumerate(rows):
            self.results.append(await self._result(row, known))
            if index % GO_ON == 0:
                # A batch is longer than a request may wait.
                await asyncio.sleep(0)
        await self.work.flush_many()
        return self.results

    async def _result(self, row: FileRow, known: Known) -> Result:
        if row.account is None:
            return row.faults
        account, left_out = row.account, row.faults
        while True:
            result = await self._attempt(row, account, known)
            if isinstance(result, Outcome):
                return Done(
                    result, left_out, disagrees=self.saying is not None and row.number in self.saying.disagreeing
                )
            rest = without(account, self.source.mapping.get(result.column, "")) if self.job.skip_invalid_cells else None
            if rest is None:
                return (result,)
            account, left_out = rest, (*left_out, replace(result, row_imported=True))

    async def _attempt(self, row: FileRow, account: AccountRow, known: Known) -> Outcome | Fault:
        """What becomes of the row, or the one thing that is wrong with it."""
        pending, gathered, told = self.work.pending, len(self.work.pending), len(given_together(self.work))
        self.gathered = None
        try:
            return await self._account(account, known)
        except CrmError as error:
            if not answers_for_itself(error) or not self._is_here():
                # Of what was sent of it nothing can be taken back but with the whole unit.
                raise
            # Its own statements, if there are any yet, are the last ones; all, if it had those before it sent.
            del self.work.pending[gathered if self.work.pending is pending else 0 :]
            del given_together(self.work)[told:]
            return fault_of(error, row, self.source, self.job.external_source)

    def _is_here(self) -> bool:
        """Whether all that was gathered of the row under way is still to be sent: holding its contact sends it."""
        return self.gathered is None or self.gathered is self.work.pending

    async def _account(self, row: AccountRow, known: Known) -> Outcome:
        if (outcome := await self._another_contact(row)) is not None:
            return outcome
        before = await self._made_here(row)
        made_here = before is not None
        if before is None and self.job.mode is Mode.CREATE:
            if known.taken(row):
                raise key_taken()
            return await self._create(row)
        before = before or known.account_of(row)
        if before is not None:
            return await self._update(row, before, keeps=self.job.keep_values and not made_here)
        if self.job.mode is Mode.UPSERT:
            return await self._create(row)
        if not row.external_ids:
            raise invalid_field(
                "account.external_ids", "required", "the row has no id and no external id", reason="EXTERNAL_ID_MISSING"
            )
        raise NotFound("account.external_ids: there is no account with this key", reason="ACCOUNT_NOT_FOUND")

    async def _another_contact(self, row: AccountRow) -> Outcome | None:
        """What becomes of a row that tells no more than a contact of an account that is created in this unit.

        None for all others: they need what was gathered to be sent first.
        """
        account = self.made.get(row.account_row)
        if account:
            self._check_reach(row, account.owner_id, account.owner_team_id, restricted=account.restricted)
        if account is None or row.custom or row.status or self.contacts_at[account.id].namesakes(row.contact_name):
            return None
        values = changed_account(account, row) | await self._references(row)
        region = self.work.actor.access.default_region
        if account.update(values, now=self.work.now, region=region) != account:
            return None
        is_new = row.contact_name and await self._contact(row, account, keeps=False)
        return Outcome.UPDATED if is_new else Outcome.SKIPPED

    async def _made_here(self, row: AccountRow) -> Account | None:
        """The account that an earlier row of this import has created, by its id: whatever has happened in between.

        InvalidArgument when it is somebody else's, whose accounts the user may not change.
        """
        if row.account_row == row.row_number:
            return None
        imagined = self.lookups.imagined_rows.get(row.account_row, (self.work.actor.user_id, None, False))
        self._check_reach(row, *imagined[:2], restricted=imagined[2])
        await self.work.flush_many()
        self.made.pop(row.account_row, None)
        id = account_id(self.job, row.account_row)
        with seeing_all(self.work):
            account = await ACCOUNTS.find(self.work, id, scope=Scope.ALL)
        if account:
            self._check_reach(row, account.owner_id, account.owner_team_id, restricted=account.restricted)
            await self._look_up_contacts([id], {row.contact_name})
        return account

    def _check_reach(
        self, row: AccountRow, owner_id: UUID | None, owner_team_id: UUID | None, *, restricted: bool
    ) -> None:
        """Refuse a row about an account that an earlier one has given to somebody else."""
        if not reaches(self.work.scope, self.work.actor, owner_id, owner_team_id, restricted=restricted):
            detail = f"row {row.account_row} gave the account to somebody else, and theirs are not yours to change"
            told = {"row": str(row.account_row)}
            raise invalid_field("account.owner_id", "reach", detail, reason="ACCOUNT_NOT_FOUND", metadata=told)

    async def _create(self, row: AccountRow) -> Outcome:
        if not row.display_name:
            raise invalid_field(
                "account.display_name", "required", "the customer's name is missing", reason="NAME_MISSING"
            )
        if self.has_changes:
            # Rows of one statement go together: what an account needs would be sent before the account.
            await self.work.flush_many()
            self.has_changes = False
        if row.status not in (None, *IN_BUSINESS):
            raise not_imported(row.status)
        values = new_account(row) | await self._references(row)
        values["custom"] = await self._custom(row)
        owner_id = values.get("owner_id") or self.job.account_owner_id or self.work.actor.user_id
        owner = await self._owned_by(owner_id, ACCOUNTS.permission)
        contact = new_contact(row) | await self._owned_by(owner_id, CONTACTS.permission) if row.contact_name else None
        id = account_id(self.job, row.account_row)
        account = await accounts.drafted(self.work, values | owner, id=id)
        if self.saying:
            account = self.saying.of_new(row, account)
        self._check(ACCOUNTS, account, values)
        self.contacts_at[id] = ContactsAt()
        if contact:
            created = await contacts.create_with_account(self.work, account, contact)
            self._check(CONTACTS, created, contact)
            self.contacts_at[id].add(created.id, created.display_name)
        else:
            accounts.put_new(self.work, account)
        self.made[row.account_row] = account
        if self.job.dry_run and self.source.column(Field.PARENT):
            self.lookups.imagined.update([row.display_name, *(value for _, value in row.external_ids)])
        if self.job.dry_run and row.account_row in self.lookups.imagined_rows:
            return Outcome.UPDATED
        if self.job.dry_run:
            self.lookups.imagined_rows[row.account_row] = (
                account.owner_id,
                account.owner_team_id,
                account.restricted,
            )
        return Outcome.CREATED

    async def _update(self, row: AccountRow, before: Account, *, keeps: bool) -> Outcome:
        """Change an account that is there; where it `keeps` its values it gets only what it does not have yet."""
        is_read_before = self.saying is not None and await self.saying.hold([before.id])
        if is_read_before or before.id in self.touched:
            # An earlier row of these is about the same account: this one goes on from what that one made of it.
            await self.work.flush_many()
            before = await ACCOUNTS.get(self.work, before.id)
            await self._look_up_contacts([before.id], {row.contact_name})
        self.touched.add(before.id)
        self.has_changes = True
        told = await self._told(row, before)
        values = lacking(before, told) if keeps else told
        if before.status not in IN_BUSINESS and row.status in (None, before.status) and not row.contact_name:
            if replace(before, **values) == before:
                return Outcome.SKIPPED
        elif row.status not in (None, *IN_BUSINESS):
            raise not_imported(row.status)
        said = self.saying.said(row, before, told.get("custom", {})) if self.saying else {}
        names = self._contact_names(before.id)
        keep = self.job.keep_opportunities
        after = await accounts.update_account(self.work, before, values, contact_names=names, keep_opportunities=keep)
        self._check(ACCOUNTS, after, values)
        if row.status and not keeps:
            after = accounts.change_account_status(self.work, after, Status(row.status))
        changed = after.version != before.version
        self.gathered = self.work.pending if changed else None
        if row.contact_name:
            changed |= await self._contact(row, after, keeps=keeps)
        if self.saying:
            changed |= self.saying.of_known(row, after, said)
        return Outcome.UPDATED if changed else Outcome.SKIPPED

    async def _told(self, row: AccountRow, before: Account) -> dict[str, Any]:
        """What the row tells of an account that is there."""
        values = changed_account(before, row) | await self._references(row, before)
        return values | ({"custom": await self._custom(row, before)} if row.custom else {})

    async def _custom(self, row: AccountRow, before: Account | None = None) -> CustomValues:
        """The values of the account's custom fields once the row's are written over those it has."""
        known = await definitions_of(self.work, ACCOUNTS.collection)
        sent: dict[str, object] = {
            key: value_from_text(known.fields[key], text) if key in known.fields else text for key, text in row.custom
        }
        place = f"{ACCOUNTS.place}.custom"
        users = [key for key, field in known.fields.items() if field.reference_collection == "users" and key in sent]
        for key in users:
            sent[key] = str(await self.lookups.user(self.work, str(sent[key]), field=f"{place}.{key}"))
        if before is None:
            return await values_to_create(self.work, ACCOUNTS.collection, sent, path=place)
        same = {key: before.custom[key] for key in sent if reads_alike(before.custom.get(key), sent[key])}
        sent |= same
        return await values_to_update(self.work, ACCOUNTS.collection, sent, before.custom, path=place, id=before.id)

    async def _references(self, row: AccountRow, before: Account | None = None) -> dict[str, Any]:
        """Owner and parent, where the row tells others than the account has: those need not be there for the user."""
        found: dict[str, Any] = {}
        if row.owner and not (before and await self._is_owner(row.owner, before)):
            found["owner_id"] = await self.lookups.user(self.work, row.owner, field="account.owner_id")
        if row.parent and before and id_of(row.parent) == before.parent_id:
            return found
        if row.parent and (parent_id := await self.lookups.parent(self.work, row.parent)):
            found["parent_id"] = parent_id
        return found

    async def _is_owner(self, told: str, account: Account) -> bool:
        """Whether a cell tells the owner that the account has, by id or by name: they may have left since."""
        if account.owner_id is None or id_of(told):
            return id_of(told) == account.owner_id
        return told == await self.lookups.owner_name(self.work, account.owner_id)

    async def _owned_by(self, owner_id: UUID, permission: str) -> dict[str, UUID | None]:
        """The owner with their team, looked up once for all rows."""
        key = owner_id, permission
        if key not in self.teams:
            self.teams[key] = await owned_by(self.work, owner_id, permission=permission, field="account.owner_id")
        return self.teams[key]

    async def _owner_at(self, account: Account) -> dict[str, UUID | None]:
        """Whose a contact becomes that is created at a known account: as the account, if that is possible."""
        caller_id = self.work.actor.user_id
        try:
            return await self._owned_by(account.owner_id or caller_id, CONTACTS.permission)
        except InvalidArgument:
            return await self._owned_by(caller_id, CONTACTS.permission)

    async def _contact(self, row: AccountRow, account: Account, *, keeps: bool) -> bool:
        """Have the row's contact at a known account; whether there was something new in it."""
        ids = self.contacts_at[account.id].namesakes(row.contact_name)
        namesakes = [self.contacts.get(id) or await CONTACTS.get(self.work, id) for id in ids]
        before = contact_told(row, namesakes)
        if before is None:
            others, values = self._contact_names(account.id), new_contact(row) | await self._owner_at(account)
            created = await contacts.create_at_account(self.work, account, values, others=others)
            self._check(CONTACTS, created, values)
            self.contacts_at[account.id].add(created.id, created.display_name)
            return True
        values = changed_contact(before, row)
        if keeps:
            values = lacking(before, values)
        after = await contacts.update_contact(self.work, before, values)
        self._check(CONTACTS, after, values)
        return after.version != before.version

    def _check(self, resource: Resource[Any, Any], record: Any, values: Collection[str]) -> None:
        """Raise InvalidArgument where what a row tells breaks a rule of the contract: all others are held to them."""
        shown = resource.message(self.work, record)
        # The event of a record that is only now created shows the same.
        self.work.told = (record, shown)
        check_fields(shown, values, place=resource.noun)

    async def _look_up_contacts(self, account_ids: Collection[UUID], names: Collection[str | None]) -> None:
        """Hold what accounts are found by until the unit ends, and read their contacts, in full those of `names`."""
        if not account_ids:
            return
        await lock_search_rows(self.work, *account_ids)
        self.contacts_at |= {id: ContactsAt() for id in account_ids}
        for row in await self.work.all(names_by_account(), account_ids=list(account_ids)):
            self.contacts_at[row["account_id"]].add(row["contact_id"], row["display_name"])
        keys = {key_of(name) for name in names if name}
        wanted = [id for at in account_ids for id in self.contacts_at[at].called(keys)]
        self.contacts |= await CONTACTS.get_many(self.work, wanted)

    def _contact_names(self, account_id: UUID) -> tuple[str, ...]:
        return self.contacts_at[account_id].names


def not_imported(status: str) -> InvalidArgument:
    """An import does not archive or merge accounts, nor create them so."""
    detail = f"accounts become {status} by their own verbs, not by an import; leave the cell empty"
    return invalid_field("account.status", "not_imported", detail, reason="VALUE_UNKNOWN", metadata={"status": status})


def account_id(job: Import, row_number: int) -> UUID:
    """The id of the account that a row creates: the same whoever asks, and however often.

    It is a UUIDv7 of the import's time whose ids go up with the rows, as an index likes it.
    """
    milliseconds = int(job.create_time.timestamp() * 1000)
    rest = int.from_bytes(blake2b(job.id.bytes + row_number.to_bytes(8), digest_size=7).digest()) & (1 << 54) - 1
    high, low = row_number >> 8 & 0xFFF, row_number & 0xFF
    return id_from_bits(milliseconds << 80 | 7 << 76 | high << 64 | 2 << 62 | low << 54 | rest)
