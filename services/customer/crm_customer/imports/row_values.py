"""A row's texts as the values that commands take. Pure.

An import adds: of lists (phones, e-mails, tags, roles, external ids) what was there stays, behind what the row tells.
What a row does not tell stays as it is.
"""

from dataclasses import fields, replace
from typing import Any, TypeVar

from crm_kit.errors import invalid_field

from crm_customer.imports.spreadsheets.cells import typed_text
from crm_customer.imports.spreadsheets.mapping import CUSTOM_PREFIX, Field
from crm_customer.imports.spreadsheets.rows import AccountRow
from crm_customer.imports.spreadsheets.wording import plain
from crm_customer.records.account_kinds import Kind
from crm_customer.records.accounts.model import Account, Address, AddressKind, ExternalId, Role, Status
from crm_customer.records.contacts.model import Contact

Value = TypeVar("Value")
_OPTIONAL = frozenset(each.name for each in fields(AccountRow)) & set(Field) - {
    Field.ID,
    Field.DISPLAY_NAME,
    Field.EXTERNAL_IDS,
}
PLAIN = (
    *("legal_name", "short_name", "credit_code", "industry", "employee_count", "region_code"),
    *("website", "source", "taboos"),
)
EXTERNAL_IDS = "external_ids"
MAX_ITEMS = {"phone_numbers": 20, "emails": 20, "tags": 50, "external_ids": 20, "addresses": 20}
"""Of each list, as the contract says."""


def new_account(row: AccountRow) -> dict[str, Any]:
    """Fields of a new account. InvalidArgument where a list is too long."""
    values = told(row) | {"kind": Kind(row.kind or Kind.ORGANIZATION), "display_name": row.display_name}
    values |= {name: bounded(f"account.{name}", several) for name, several in lists(row).items() if several}
    if row.status:
        values["status"] = Status(row.status)
    if place := address(row, None):
        values["addresses"] = (place,)
    if notes := notes_with(None, row):
        values["preferences"] = notes
    return values


def changed_account(before: Account, row: AccountRow) -> dict[str, Any]:
    """Fields of an account that the row tells. InvalidArgument where a list becomes too long."""
    values = told(row)
    for name, several in lists(row).items():
        if several:
            values[name] = joined(f"account.{name}", several, getattr(before, name))
    if row.display_name and not names_again(row, before):
        values["display_name"] = row.display_name
    if row.kind:
        values["kind"] = Kind(row.kind)
    office = office_of(before)
    if place := address(row, office):
        others = tuple(each for each in before.addresses if each is not office)
        values["addresses"] = joined("account.addresses", (place,), others)
    if notes := notes_with(before.preferences, row):
        values["preferences"] = notes
    return news(before, values)


def said_of_account(before: Account, row: AccountRow) -> dict[str, Any]:
    """Fields of an account as the row alone tells them: not its number in other systems, by which it was found."""
    values = told(row) | {name: several for name, several in lists(row).items() if several}
    values.pop(EXTERNAL_IDS, None)
    if row.display_name and not names_again(row, before):
        values["display_name"] = row.display_name
    if row.kind:
        values["kind"] = Kind(row.kind)
    if place := address(row, office_of(before)):
        values["addresses"] = (place,)
    if row.preferences:
        values["preferences"] = row.preferences
    return values


def lacking(before: Account | Contact, values: dict[str, Any]) -> dict[str, Any]:
    """The values of which a record has nothing yet, and the keys of an account in systems in which it has none."""
    left = {name: value for name, value in values.items() if is_nothing(getattr(before, name))}
    if values.get(EXTERNAL_IDS) and isinstance(before, Account):
        known = {each.source for each in before.external_ids}
        more = tuple(each for each in values[EXTERNAL_IDS] if each.source not in known)
        left[EXTERNAL_IDS] = (*before.external_ids, *more)
    if values.get("custom"):
        kept = {key: value for key, value in before.custom.items() if not is_nothing(value)}
        left["custom"] = {**values["custom"], **kept}
    return left


def is_nothing(value: object) -> bool:
    """Whether a field has no value."""
    return value is None or value in ("", (), [])


def office_of(account: Account) -> Address | None:
    """The address that columns of a file are about."""
    return next((each for each in account.addresses if each.kind is AddressKind.OFFICE), None)


def names_again(row: AccountRow, before: Account) -> bool:
    """Whether a further row of a file names its account as an earlier one did, if typed differently."""
    assert row.display_name is not None
    return row.account_row != row.row_number and plain(row.display_name) == plain(before.display_name)


def news(before: Account | Contact, values: dict[str, Any]) -> dict[str, Any]:
    """The values that are not read from a cell as those are that the record has."""
    return {name: value for name, value in values.items() if not reads_alike(getattr(before, name), value)}


def reads_alike(old: object, new: object) -> bool:
    """Whether two texts are the same but for what cells do not tell: blanks and control characters."""
    return isinstance(old, str) and isinstance(new, str) and as_read(old) == as_read(new)


def as_read(value: object) -> object:
    """A text as it is read from a cell; whatever is none, as it is."""
    return " ".join(typed_text(value).split()) if isinstance(value, str) else value


def as_mail(value: str) -> str:
    """An e-mail address as it is compared: people type capitals as they like."""
    return value.casefold()


def new_contact(row: AccountRow) -> dict[str, Any]:
    """Fields of a new contact beside its account."""
    values: dict[str, Any] = {
        "display_name": row.contact_name,
        "phone_numbers": row.contact_phone,
        "emails": row.contact_email,
    }
    return values | ({"job_title": row.contact_title} if row.contact_title else {})


def changed_contact(before: Contact, row: AccountRow) -> dict[str, Any]:
    """Fields of a contact that the row tells. InvalidArgument where a list becomes too long."""
    values: dict[str, Any] = {"job_title": row.contact_title} if row.contact_title else {}
    for name, several in (("phone_numbers", row.contact_phone), ("emails", row.contact_email)):
        if several:
            values[name] = joined(f"contact.{name}", several, getattr(before, name))
    return news(before, values)


def without(row: AccountRow, target: str) -> AccountRow | None:
    """The row without what one of its columns told; None when it cannot do without, or tells nothing there."""
    if target.startswith(CUSTOM_PREFIX):
        key = target.removeprefix(CUSTOM_PREFIX)
        rest: Any = tuple(each for each in row.custom if each[0] != key)
        return replace(row, custom=rest) if rest != row.custom else None
    target = Field.REGION if target == Field.COUNTRY else target
    if target not in _OPTIONAL or not getattr(row, target):
        return None
    nothing: dict[str, Any] = {target: () if isinstance(getattr(row, target), tuple) else None}
    return replace(row, **nothing)


def told(row: AccountRow) -> dict[str, Any]:
    """Fields with one value."""
    return {name: value for name in PLAIN if (value := getattr(row, name)) is not None}


def lists(row: AccountRow) -> dict[str, tuple[Any, ...]]:
    """Fields with several values. Without a contact's name its numbers are the account's."""
    anonymous = row.contact_name is None
    phones = (*row.phone_numbers, *(row.contact_phone if anonymous else ()))
    emails = (*row.emails, *(row.contact_email if anonymous else ()))
    return {
        "roles": tuple(map(Role, row.roles)),
        "phone_numbers": tuple(dict.fromkeys(phones)),
        "emails": tuple(dict.fromkeys(emails)),
        "tags": row.tags,
        "external_ids": tuple(ExternalId(source, value) for source, value in row.external_ids),
    }


def joined(field: str, new: tuple[Any, ...], old: tuple[Any, ...]) -> tuple[Any, ...]:
    """The new values and those old ones that are still true; as they were when they are all there already."""
    read = as_mail if field.endswith(".emails") else as_read
    known = {read(each): each for each in old}
    new = tuple(known.get(read(each), each) for each in new)
    if set(new) <= set(old):
        return old
    if field == "account.external_ids":
        # Each source has one key: the new one.
        sources = {each.source for each in new}
        old = tuple(each for each in old if each.source not in sources)
    return bounded(field, tuple(dict.fromkeys((*new, *old))))


def bounded(field: str, values: tuple[Any, ...]) -> tuple[Any, ...]:
    """The values of a list; InvalidArgument for more than it may have, be they from one column or from several."""
    most = MAX_ITEMS.get(field.partition(".")[2], len(values))
    if len(values) > most:
        detail = f"it would be {len(values)} in all, at most {most} are possible"
        raise invalid_field(field, "max_items", detail, reason="TOO_MANY_VALUES", metadata={"most": str(most)})
    return values


def address(row: AccountRow, before: Address | None) -> Address | None:
    """The office, with what the row tells; None when it tells nothing."""
    texts = {"city": row.city, "line": row.address, "postal_code": row.postal_code}
    given: dict[str, Any] = {name: text for name, text in texts.items() if text}
    if not given:
        return None
    if row.region_code:
        given["region_code"] = row.region_code
    return replace(before or Address(kind=AddressKind.OFFICE), **given)


def notes_with(before: str | None, row: AccountRow) -> str | None:
    """Preferences as they become: accounts have no other place for remarks. None when nothing is told."""
    if not row.preferences and not row.remarks:
        return None
    notes = row.preferences or before or ""
    if row.remarks and row.remarks not in notes:
        notes = f"{notes}\n{row.remarks}".strip()
    if len(notes) > 4000:
        raise invalid_field("account.preferences", "max_len", "together with what is there it is too long")
    return notes
