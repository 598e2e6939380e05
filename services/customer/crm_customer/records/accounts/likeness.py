"""What an account is compared by with others that may be the same, and the keys that it is found by for that."""

from collections.abc import Collection
from operator import attrgetter

from crm_kit.database.work import UnitOfWork

from crm_customer.records.account_kinds import Kind
from crm_customer.records.accounts.model import IN_BUSINESS, Account
from crm_customer.records.duplicate_rules.blocking import keys_of
from crm_customer.records.duplicate_rules.facts import Facts
from crm_customer.records.duplicate_rules.keeping import put_keys

NO_FIELDS: frozenset[str] = frozenset()
# What an account is compared by.
COMPARED = (
    *("kind", "display_name", "legal_name", "short_name", "credit_code", "phone_numbers", "emails", "website"),
    *("region_code", "addresses"),
)
_compared = attrgetter(*COMPARED)


def facts_of(account: Account, hidden: Collection[str] = NO_FIELDS) -> Facts:
    """What is known of an account, but for fields that are `hidden`."""
    shown = {name: None if name in hidden else getattr(account, name) for name in COMPARED}
    addresses = shown["addresses"] or ()
    return Facts(
        is_person=account.kind is Kind.PERSON,
        names=tuple(each for each in (account.display_name, shown["legal_name"], shown["short_name"]) if each),
        credit_code=shown["credit_code"],
        phone_numbers=shown["phone_numbers"] or (),
        emails=shown["emails"] or (),
        website=shown["website"],
        region_code=shown["region_code"],
        cities=tuple(each.city for each in addresses if each.city),
        lines=tuple(each.line for each in addresses if each.line),
    )


def follow_keys(work: UnitOfWork, before: Account | None, after: Account) -> None:
    """Gather the keys of a new or changed account; one that is put away has none."""
    if before is None or _compared(before) != _compared(after) or before.status is not after.status:
        put_keys(work, after.id, account_keys(before), account_keys(after))


def account_keys(account: Account | None) -> frozenset[int]:
    """The keys that an account has."""
    return keys_of(facts_of(account)) if account is not None and account.status in IN_BUSINESS else frozenset()
