"""What the rows of an import say by source: values that stand beside what their accounts have."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from uuid import UUID

from crm_kit.change_proposals.queries import value_now
from crm_kit.custom_fields.values import CustomValues
from crm_kit.database.work import UnitOfWork
from crm_kit.field_rights import CUSTOM
from crm_kit.ids import new_id

from crm_customer.imports.commands import change_sources
from crm_customer.imports.model import Import
from crm_customer.imports.row_values import said_of_account
from crm_customer.imports.spreadsheets.rows import AccountRow
from crm_customer.records.accounts.model import Account
from crm_customer.records.accounts.resource import ACCOUNTS
from crm_customer.records.record_sources.commands import put_value, with_made
from crm_customer.records.source_values.keeping import beside, lock_all
from crm_customer.records.source_values.model import Json, SourceValue, agrees, taken
from crm_customer.records.source_values.queries import values_of_many
from crm_customer.records.source_values.wire import statable

Said = Mapping[str, Json]
"""Values by field, as an update of the account would store them."""


@dataclass(slots=True)
class Saying:
    """What rows under way in one unit say by the import's source."""

    work: UnitOfWork
    job: Import
    # All that sources said of the accounts that rows are about, as far as these were held.
    known: dict[UUID, list[SourceValue]] = field(default_factory=dict)
    # The numbers of rows that say something that their accounts do not have.
    disagreeing: set[int] = field(default_factory=set)

    async def hold(self, account_ids: Collection[UUID]) -> bool:
        """Have nobody else say something of these accounts until the unit ends. Before anything is gathered.

        Whether one was not held before: what was read of it until then may be what it was.
        """
        ids = [each for each in account_ids if each not in self.known]
        if ids:
            await lock_all(self.work, ACCOUNTS, ids)
            self.known |= await values_of_many(self.work, ACCOUNTS.collection, ids)
        return bool(ids)

    def said(self, row: AccountRow, before: Account, custom: CustomValues) -> Said:
        """What a row says of an account that is there; `custom` are its custom values with those of the row.

        InvalidArgument as the account's update.
        """
        values = said_of_account(before, row)
        names = [*values, *(f"{CUSTOM}.{key}" for key, _ in row.custom)]
        if row.custom:
            values["custom"] = custom
        region = self.work.actor.access.default_region
        return shown(before.update(values, now=self.work.now, region=region), names)

    def of_new(self, row: AccountRow, account: Account) -> Account:
        """Gather what a row says of an account that it creates; the account then tells of it."""
        names = [*said_of_account(account, row), *(f"{CUSTOM}.{key}" for key, _ in row.custom)]
        stated = self._stated(shown(account, names))
        self._put(account.id, stated)
        return beside(ACCOUNTS, account, stated)

    def of_known(self, row: AccountRow, account: Account, said: Said) -> bool:
        """Gather what a row says of an account as it is now; whether the account tells something new of it."""
        before = self.known[account.id]
        made = taken(before, self._stated(said))
        self._put(account.id, made)
        self.known[account.id] = with_made(before, made)
        after = change_sources(self.work, account, self.known[account.id])
        has_all = all(agrees(value, value_now(ACCOUNTS, after, name)) for name, value in said.items())
        if not has_all or lacks_unsaid(row, account):
            self.disagreeing.add(row.row_number)
        return after.version != account.version

    def _stated(self, said: Said) -> list[SourceValue]:
        by, time = self.work.actor.user_id, self.job.observed_time or self.job.create_time
        source, proof = self.job.value_source, self.job.file_name
        return [
            SourceValue(new_id(), name, source, value, time, by, self.work.now, proof) for name, value in said.items()
        ]

    def _put(self, account_id: UUID, values: Iterable[SourceValue]) -> None:
        for each in values:
            put_value(self.work, ACCOUNTS, account_id, each)


def shown(account: Account, names: Iterable[str]) -> Said:
    """What an account has in these fields, as far as sources can say something of them."""
    found = {name: value_now(ACCOUNTS, account, name) for name in names if name.partition(".")[0] in known_fields()}
    return {name: value for name, value in found.items() if value not in (None, "", [])}


def lacks_unsaid(row: AccountRow, account: Account) -> bool:
    """Whether a row tells what the account does not have, and no source can say: numbers in other systems, remarks."""
    keys = {(each.source, each.value) for each in account.external_ids}
    return not keys.issuperset(row.external_ids) or (row.remarks or "") not in (account.preferences or "")


@cache
def known_fields() -> frozenset[str]:
    """The fields that sources can say something of."""
    return frozenset([*statable(ACCOUNTS), CUSTOM])
