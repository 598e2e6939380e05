"""Which column is which field of an account: guessed from the header in Chinese or English, or as told."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from enum import StrEnum

from crm_kit.errors import InvalidArgument, invalid_field

from crm_customer.imports.spreadsheets.headers import HEADERS
from crm_customer.imports.spreadsheets.wording import plain


class Field(StrEnum):
    """What a column can be. Fields of `MANY` may have several columns."""

    KIND = "kind"
    DISPLAY_NAME = "display_name"
    LEGAL_NAME = "legal_name"
    SHORT_NAME = "short_name"
    CREDIT_CODE = "credit_code"
    ROLES = "roles"
    STATUS = "status"
    INDUSTRY = "industry"
    EMPLOYEE_COUNT = "employee_count"
    COUNTRY = "country"
    REGION = "region_code"
    CITY = "city"
    ADDRESS = "address"
    POSTAL_CODE = "postal_code"
    PHONE_NUMBERS = "phone_numbers"
    EMAILS = "emails"
    WEBSITE = "website"
    SOURCE = "source"
    EXTERNAL_IDS = "external_ids"
    TAGS = "tags"
    OWNER = "owner"
    PARENT = "parent"
    CONTACT_NAME = "contact_name"
    CONTACT_FIRST_NAME = "contact_first_name"
    CONTACT_LAST_NAME = "contact_last_name"
    CONTACT_TITLE = "contact_title"
    CONTACT_PHONE = "contact_phone"
    CONTACT_EMAIL = "contact_email"
    PREFERENCES = "preferences"
    TABOOS = "taboos"
    REMARKS = "remarks"


MANY = frozenset([Field.PHONE_NUMBERS, Field.EMAILS, Field.TAGS, Field.ROLES, Field.CONTACT_PHONE, Field.CONTACT_EMAIL])

CUSTOM_PREFIX = "custom."
EXTERNAL_ID_PREFIX = f"{Field.EXTERNAL_IDS}."
"""`external_ids.sap` is the key in the system `sap`; `external_ids` alone that of the import's own source."""

# What our exports call a record's id; it is no other system's key.
_OWN_ID = "id"

SOURCE_NAME = re.compile(r"[a-z][a-z0-9_.-]{0,49}")

_FIELDS = {plain(name): Field(field) for field, names in HEADERS.items() for name in names}


def guess_mapping(header: Sequence[str], *, custom_labels: Mapping[str, str] | None = None) -> dict[str, str]:
    """Column to target: a `Field`, or `custom.KEY` by `custom_labels` (label to key). Unknown columns are left out.

    Parentheses, asterisks and slashes in a header do not matter: `*客户名称（必填）`, `手机/Mobile`. A field that takes
    one column takes the first that fits. A field's own name, as an export has it, is no custom field's.
    """
    custom = {plain(label): f"{CUSTOM_PREFIX}{key}" for label, key in (custom_labels or {}).items()}
    own = {column: column for column in header if column in set(Field)}
    found: dict[str, str] = {}
    for column in header:
        named = (custom.get(name) or _FIELDS.get(name) for name in _spellings(column))
        target = own.get(column) or next(filter(None, named), None)
        taken = target in found.values() or (target in own and column not in own)
        if target and column != _OWN_ID and (target in MANY or not taken):
            found[column] = str(target)
    return found


def checked_mapping(header: Sequence[str], mapping: Mapping[str, str]) -> dict[str, str]:
    """A mapping that was given, column to target, where an empty target means: leave out.

    Raises InvalidArgument naming the column that does not exist, the target that is unknown or taken twice.
    """
    checked: dict[str, str] = {}
    for column, target in mapping.items():
        if column not in header:
            raise invalid_field("mapping", "mapping.column", f"there is no column {column!r}")
        if not target:
            continue
        if not _is_target(target):
            raise invalid_field("mapping", "mapping.target", f"{column!r}: there is no field {target!r}")
        if target not in MANY and target in checked.values():
            raise invalid_field("mapping", "mapping.target", f"{target!r} is given by two columns")
        checked[column] = target
    return checked


def mapping_for(
    header: Sequence[str],
    given: Mapping[str, str],
    *,
    custom_labels: Mapping[str, str] | None = None,
    name_required: bool = True,
) -> dict[str, str]:
    """The guess, overridden column by column by what is given.

    Raises InvalidArgument, with reason IMPORT_MAPPING_INCOMPLETE when no column is the name although required.
    """
    checked = checked_mapping(header, given)
    taken = {target for target in checked.values() if target not in MANY}
    guessed = guess_mapping(header, custom_labels=custom_labels)
    rest = {c: t for c, t in guessed.items() if c not in given and t not in taken}
    mapping = {column: {**rest, **checked}[column] for column in header if column in rest or column in checked}
    if name_required and Field.DISPLAY_NAME not in mapping.values():
        # A list may name its customers by the registered name only.
        legal = next((c for c, t in mapping.items() if t == Field.LEGAL_NAME and c not in given), None)
        if legal is None:
            columns = ", ".join(header)
            raise InvalidArgument(
                f"no column is the customer's name; the columns are: {columns}",
                reason="IMPORT_MAPPING_INCOMPLETE",
                metadata={"rule": "no_name", "columns": columns},
            )
        mapping[legal] = str(Field.DISPLAY_NAME)
    return mapping


def _spellings(column: str) -> list[str]:
    text = unicodedata.normalize("NFKC", column)
    bare = re.sub(r"[(\[【].*?[)\]】]", "", text)
    parts = [part for whole in (bare, text) for part in (whole, *re.split(r"[/|\n]", whole))]
    return [word for part in parts if (word := plain(part))]


def _is_target(target: str) -> bool:
    if target.startswith(CUSTOM_PREFIX):
        return len(target) > len(CUSTOM_PREFIX)
    if target.startswith(EXTERNAL_ID_PREFIX):
        return bool(SOURCE_NAME.fullmatch(target.removeprefix(EXTERNAL_ID_PREFIX)))
    return target in set(Field)
