"""Whose an address is: of the contacts and accounts that have it, who is meant by it alone."""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from crm_kit.phone_numbers import as_kept

# What is a telephone number and nothing else. In `visitor-13800138000` there is one, too, but people choose what they
# are called in a chat, and would pass for whose number it is.
NUMBER = re.compile(r"\+?[\d\s().+/-]*\d[\s)]*(?:(?:;ext=|,|ext\.?|x|转)\s*\d{1,7})?", re.IGNORECASE)
# Numbers have 15 at most, and short codes of text messages with what stands behind them 20.
MAX_DIGITS = 20
# What telephone systems say of a number that is withheld, and we of a mail that says nowhere who wrote it.
WITHHELD = frozenset({"anonymous", "private", "restricted", "unavailable", "unknown"})
# More contacts and accounts than that with one address, such as a switchboard's, mean nobody.
MAX_HOLDERS = 20


@dataclass(frozen=True, slots=True)
class Holder:
    """A contact with the accounts that they are at, the main one first; or, without a contact, an account alone."""

    contact_id: UUID | None
    account_ids: tuple[UUID, ...]


@dataclass(frozen=True, slots=True)
class Sender:
    """Whom an address means. Neither contact nor account is nobody whom we know, unless it is `ambiguous`."""

    contact_id: UUID | None = None
    account_id: UUID | None = None
    ambiguous: bool = False

    @property
    def is_known(self) -> bool:
        """Whether it is somebody's alone."""
        return not self.ambiguous and (self.contact_id is not None or self.account_id is not None)


def sender_of(holders: Sequence[Holder]) -> Sender:
    """Whom an address means that these have.

    The one contact who has it, at the account that all who have it share, their main one of several. Without a contact,
    or with several, the one account that all share. Anything else is ambiguous.
    """
    if not holders:
        return Sender()
    shared = set(holders[0].account_ids).intersection(*(each.account_ids for each in holders[1:]))
    contacts = [each for each in holders if each.contact_id is not None]
    if len(contacts) == 1 and (shared or len(holders) == 1):
        (contact,) = contacts
        return Sender(contact.contact_id, next((id for id in contact.account_ids if id in shared), None))
    return Sender(account_id=shared.pop()) if len(shared) == 1 else Sender(ambiguous=True)


def is_withheld(address: str) -> bool:
    """Whether it says of nobody who they are, so that two who have it are not the same."""
    return address.strip().lower() in WITHHELD


def is_number(address: str) -> bool:
    """Whether it is a telephone number or a short code, such as `95598`, and nothing else, as people write them."""
    plain = unicodedata.normalize("NFKC", address.strip())
    return NUMBER.fullmatch(plain) is not None and sum(map(str.isdigit, plain)) <= MAX_DIGITS


def as_compared(address: str, *, region: str) -> str:
    """An address as all are compared: a telephone number as E.164 without extension, anything else in lower case.

    `region` (ISO 3166) says where a number without a country code is.
    """
    stripped = address.strip()
    if not NUMBER.fullmatch(unicodedata.normalize("NFKC", stripped)):
        return stripped.lower()
    return as_kept(stripped, region=region).partition(";")[0].lower()


def all_compared(addresses: Iterable[str], *, region: str) -> tuple[str, ...]:
    """Each of them once, as all are compared, in their order."""
    return tuple(dict.fromkeys(as_compared(each, region=region) for each in addresses))
