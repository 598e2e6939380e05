"""One transaction's rows, through the same commands as everybody's."""

import enum
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from crm_kit.database.work import UnitOfWork
from crm_kit.errors import CrmError, InvalidArgument, NotFound, invalid_field

from crm_customer.imports.files import Fault, FileRow, Source
from crm_customer.imports.lookups import Known, Lookups, known_accounts
from crm_customer.imports.model import Import, Mode
from crm_customer.imports.row_values import changed_account, changed_contact, new_account, new_contact
from crm_customer.imports.spreadsheets.mapping import Field
from crm_customer.imports.spreadsheets.rows import AccountRow
from crm_customer.records.accounts.commands import change_account_status, create_account, update_account
from crm_customer.records.accounts.model import Account, Status
from crm_customer.records.accounts.resource import ACCOUNTS
from crm_customer.records.contacts.commands import create_contact, create_first_contact, update_contact
from crm_customer.records.contacts.model import AccountLink
from crm_customer.records.contacts.queries import names_by_account
from crm_customer.records.contacts.resource import CONTACTS

# Fields of the contract that columns know by another name.
FIELDS = {
    "owner_id": Field.OWNER,
    "parent_id": Field.PARENT,
    "addresses": Field.ADDRESS,
    "contact.display_name": Field.CONTACT_NAME,
    "contact.phone_numbers": Field.CONTACT_PHONE,
    "contact.emails": Field.CONTACT_EMAIL,
}


class Outcome(enum.Enum):
    """What became of a sound row."""

    CREATED = enum.auto()
    UPDATED = enum.auto()
    SKIPPED = enum.auto()


Result = Outcome | tuple[Fault, ...]
"""Of a row: what became of it, or what is wrong with it."""


@dataclass(slots=True)
class Later:
    """What a row wants done once its account is there."""

    index: int
    row: AccountRow
    account: Account
    is_new: bool


@dataclass(slots=True)
class Batch:
    """Rows under way in one unit. An error that one row alone cannot answer for ends the whole unit."""

    work: UnitOfWork
    job: Import
    source: Source
    lookups: Lookups
    results: list[Result] = field(default_factory=list)
    later: list[Later] = field(default_factory=list)
    touched: set[UUID] = field(default_factory=set)

    async def write(self, rows: Sequence[FileRow]) -> list[Result]:
        """Gather and send everything of the rows; a result for each."""
        known = await known_accounts(self.work, [row.account for row in rows if row.account])
        for index, row in enumerate(rows):
            self.results.append(await self._result(index, row, known))
        await self.work.flush_many()
        await self._contacts()
        await self.work.flush_many()
        return self.results

    async def _result(self, index: int, row: FileRow, known: Known) -> Result:
        if row.account is None:
            return row.faults
        gathered = len(self.work.pending)
        try:
            return await self._account(index, row.account, known)
        except CrmError as error:
            if not answers_for_itself(error):
                raise
            # Its own statements, if there are any yet, are the last ones.
            del self.work.pending[gathered:]
            return (fault_of(error, row, self.source, self.job.external_source),)

    async def _account(self, index: int, row: AccountRow, known: Known) -> Outcome:
        if self.job.mode is Mode.CREATE:
            if known.taken(row):
                raise invalid_field(
                    "account.external_ids", "unique", "another account has it already", reason="EXTERNAL_ID_TAKEN"
                )
            return await self._create(index, row)
        before = known.account_of(row)
        if before is not None:
            return await self._update(index, row, before)
        if self.job.mode is Mode.UPSERT:
            return await self._create(index, row)
        if not row.external_ids:
            raise invalid_field(
                "account.external_ids", "required", "the row has no external id", reason="EXTERNAL_ID_MISSING"
            )
        raise NotFound("account.external_ids: there is no account with this key", reason="ACCOUNT_NOT_FOUND")

    async def _create(self, index: int, row: AccountRow) -> Outcome:
        if not row.display_name:
            raise invalid_field(
                "account.display_name", "required", "the customer's name is missing", reason="NAME_MISSING"
            )
        values = new_account(row) | await self._references(row)
        values.setdefault("owner_id", self.job.account_owner_id or self.work.actor.user_id)
        account = await create_account(self.work, values)
        if self.job.dry_run and self.source.column(Field.PARENT):
            self.lookups.imagined.update([row.display_name, *(value for _, value in row.external_ids)])
        if row.contact_name:
            self.later.append(Later(index, row, account, is_new=True))
        return Outcome.CREATED

    async def _update(self, index: int, row: AccountRow, before: Account) -> Outcome:
        if before.id in self.touched:
            # An earlier row of these is about the same account: this one goes on from what that one made of it.
            await self.work.flush_many()
            before = await ACCOUNTS.get(self.work, before.id)
        self.touched.add(before.id)
        values = changed_account(before, row) | await self._references(row)
        after = await update_account(self.work, before, values)
        if row.contact_name or (row.status and row.status != before.status):
            self.later.append(Later(index, row, after, is_new=False))
        return Outcome.UPDATED if after.version != before.version else Outcome.SKIPPED

    async def _references(self, row: AccountRow) -> dict[str, Any]:
        found: dict[str, Any] = {}
        if row.owner:
            found["owner_id"] = await self.lookups.owner(self.work, row.owner)
        if row.parent and (parent_id := await self.lookups.parent(self.work, row.parent)):
            found["parent_id"] = parent_id
        return found

    async def _contacts(self) -> None:
        """Contacts and changes of status: they read accounts, which must be there."""
        contacts = await self._contact_ids([each.account.id for each in self.later if not each.is_new])
        for each in self.later:
            changed = False
            if not each.is_new and each.row.status:
                account = await ACCOUNTS.get(self.work, each.account.id)
                moved = change_account_status(self.work, account, Status(each.row.status))
                changed = moved.version != account.version
            if each.row.contact_name and each.is_new:
                values = new_contact(each.row) | {"owner_id": each.account.owner_id}
                await create_first_contact(self.work, each.account, values)
            elif each.row.contact_name:
                changed |= await self._contact(each, contacts.get((each.account.id, each.row.contact_name)))
            if changed and self.results[each.index] is Outcome.SKIPPED:
                self.results[each.index] = Outcome.UPDATED

    async def _contact(self, each: Later, id: UUID | None) -> bool:
        """Whether there was something new in the row's contact."""
        row = each.row
        if id is None:
            at = (AccountLink(each.account.id),)
            values = new_contact(row) | {"owner_id": each.account.owner_id, "accounts": at}
            await create_contact(self.work, values)
            return True
        before = await CONTACTS.get(self.work, id)
        after = await update_contact(self.work, before, changed_contact(before, row))
        return after.version != before.version

    async def _contact_ids(self, account_ids: list[UUID]) -> dict[tuple[UUID, str], UUID]:
        """(account, name) to the contact that is there already."""
        if not account_ids:
            return {}
        rows = await self.work.all(names_by_account(), account_ids=account_ids)
        return {(row["account_id"], row["display_name"]): row["contact_id"] for row in rows}


def answers_for_itself(error: CrmError) -> bool:
    """Whether the error is about the row alone, found before anything of it was sent."""
    return error.code in {"INVALID_ARGUMENT", "NOT_FOUND", "FAILED_PRECONDITION"}


def fault_of(error: CrmError, row: FileRow, source: Source, default_source: str) -> Fault:
    """An error of a command in the words of the file."""
    path, detail = "", error.detail
    if isinstance(error, InvalidArgument) and error.violations:
        path, detail = error.violations[0].field, error.violations[0].detail
    elif detail.startswith("account."):
        path, _, detail = detail.partition(": ")
    column = column_of(path.partition("[")[0], source, default_source)
    value = row.cells[source.header.index(column)] if column else ""
    return Fault(column, value, error.reason, detail)


def column_of(path: str, source: Source, default_source: str) -> str:
    """The column that a field of the contract came from; empty when there is none."""
    name = path.removeprefix("account.")
    if name == "external_ids":
        return next(iter(source.columns_of_external_ids(default_source).values()), "")
    return source.column(FIELDS.get(name, name))
