"""The contacts of an account, as the rows of an import find them."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from uuid import UUID

from crm_kit.errors import invalid_field
from crm_kit.likeness import Likeness, Person, likeness, name_key

from crm_customer.imports.spreadsheets.rows import AccountRow
from crm_customer.records.contacts.model import Contact

# The contacts of an account are read again for each further row about it.
key_of = lru_cache(maxsize=8192)(name_key)


@dataclass(slots=True)
class ContactsAt:
    """What the contacts of one account are called, the newest last."""

    _names: dict[UUID, str] = field(default_factory=dict)
    _namesakes: dict[str, list[UUID]] = field(default_factory=dict)

    def add(self, id: UUID, display_name: str) -> None:
        self._names[id] = display_name
        self._namesakes.setdefault(key_of(display_name), []).append(id)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(reversed(dict.fromkeys(reversed(self._names.values()))))

    def namesakes(self, display_name: str | None) -> Sequence[UUID]:
        """Those who are called the same, however typed; none of nobody."""
        return self._namesakes.get(key_of(display_name), ()) if display_name else ()

    def called(self, keys: Collection[str]) -> list[UUID]:
        """Those whose names have one of the keys."""
        return [id for key in self._namesakes.keys() & keys for id in self._namesakes[key]]


def contact_told(row: AccountRow, namesakes: Iterable[Contact]) -> Contact | None:
    """Whom of the namesakes a row is about: who shares its phone or e-mail, else one of whom nothing says otherwise.

    InvalidArgument where that may be several, and the row tells more than their name.
    """
    told = Person(row.contact_name or "", row.contact_phone, row.contact_email)
    alike = [(likeness(told, Person(each.display_name, each.phone_numbers, each.emails)), each) for each in namesakes]
    same, possible = (
        [each for found, each in alike if found is wanted] for wanted in (Likeness.SAME, Likeness.NAMESAKE)
    )
    if not same and len(possible) > 1 and (row.contact_title or row.contact_phone or row.contact_email):
        detail = "several contacts of the account are called so; add a phone number or e-mail address of the one meant"
        raise invalid_field("contact.display_name", "namesakes", detail, reason="REFERENCE_NOT_FOUND")
    return next(iter([*same, *possible]), None)
