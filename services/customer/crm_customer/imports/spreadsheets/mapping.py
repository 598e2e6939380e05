"""Which column is which field of an account: guessed from the header in Chinese or English, or as told."""

import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from enum import StrEnum

from crm_kit.errors import InvalidArgument, invalid_field

from crm_customer.imports.spreadsheets.headers import HEADERS, SHARED, STATES
from crm_customer.imports.spreadsheets.wording import plain


class Field(StrEnum):
    """What a column can be. Fields of `MANY` may have several columns."""

    ID = "id"
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

CONTACT_NAMES = frozenset([Field.CONTACT_NAME, Field.CONTACT_FIRST_NAME, Field.CONTACT_LAST_NAME])
"""Who has such a column lists people."""

CUSTOM_PREFIX = "custom."
EXTERNAL_ID_PREFIX = f"{Field.EXTERNAL_IDS}."
"""`external_ids.sap` is the key in the system `sap`; `external_ids` alone that of the import's own source."""

SOURCE_NAME = re.compile(r"[a-z][a-z0-9_.-]{0,49}")

_FIELDS = {plain(name): Field(field) for field, names in HEADERS.items() for name in names}
_STATES = {plain(name) for name in STATES}
_COUNTRIES = {plain(name) for name in HEADERS["country"]}
_SHARED = {plain(name) for names in SHARED.values() for name in names}
# Dynamics heads ids and checksums so: `(Do Not Modify) Account`.
_NOT_TO_MODIFY = "(do not modify)"
# What such a column is in a list of people; a person's record in another system is not imported.
_OF_PEOPLE: Mapping[str, str] = {
    Field.PHONE_NUMBERS: Field.CONTACT_PHONE,
    Field.EMAILS: Field.CONTACT_EMAIL,
    Field.EXTERNAL_IDS: "",
}


def guess_mapping(
    header: Sequence[str],
    *,
    custom_labels: Mapping[str, str] | None = None,
    contract: Mapping[str, str] | None = None,
    told: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Column to target: a `Field`, or `custom.KEY` by `custom_labels` (label to key). Unknown columns are left out.

    `contract` is what the contract calls its own fields, heading to target, empty where imports do not change them:
    such a heading is no custom field's, whatever that is called. Then come custom fields, then what other people call
    fields. There brackets, asterisks and slashes do not matter: `*客户名称（必填）`, `手机/Mobile`. A field that takes
    one column takes the first that fits; a column that has the field's own name goes before. Where the sheet has names
    of people, by its header or by what is `told` of columns, plain phone numbers and e-mails are theirs.
    """
    known = _Names(contract or {}, custom_labels or {})
    own = {column for column in header if column in set(Field)}
    targets = {column: column if column in own else known.target(column) for column in header}
    if _lists_people({*targets.values(), *(told or {}).values()}):
        targets |= {column: _of_people(column, target) for column, target in targets.items() if column not in own}
    found: dict[str, str] = {}
    for column, target in targets.items():
        taken = target in found.values() or (target in own and column not in own)
        if target and (target in MANY or not taken):
            found[column] = str(target)
    return found


def _lists_people(targets: Collection[str | None]) -> bool:
    """Whether plain phones and mails are people's: those that say so leave the plain ones to the company."""
    fields = set(targets)
    return bool(fields & CONTACT_NAMES) and not fields & {Field.CONTACT_PHONE, Field.CONTACT_EMAIL}


def _of_people(column: str, target: str | None) -> str | None:
    is_plain = target in _OF_PEOPLE and not _SHARED.isdisjoint(_spellings(column))
    return _OF_PEOPLE[target] if target and is_plain else target


class _Names:
    """What columns are called beside the names of fields themselves."""

    def __init__(self, contract: Mapping[str, str], custom_labels: Mapping[str, str]) -> None:
        self._contract = contract
        self._exact = {as_heading(label): f"{CUSTOM_PREFIX}{key}" for label, key in custom_labels.items()}
        alike = Counter(map(plain, custom_labels))
        self._alike = {
            plain(label): self._exact[as_heading(label)] for label in custom_labels if alike[plain(label)] == 1
        }

    def target(self, column: str) -> str | None:
        """What a column is; None for none."""
        heading = as_heading(column)
        if heading.startswith(_NOT_TO_MODIFY):
            return None
        is_own = heading in self._contract
        if told := self._contract[heading] if is_own else self._exact.get(heading):
            return told
        custom = {} if is_own else self._alike
        named = (custom.get(name) or _FIELDS.get(name) for name in _spellings(column))
        return next(filter(None, named), None)


def as_heading(text: str) -> str:
    """A heading as headings are compared."""
    return " ".join(text.split()).casefold()


def check_given(columns: Sequence[tuple[str, str]], *, path: str) -> None:
    """Raise InvalidArgument where what is told of columns, (column, target), makes no sense whatever the file is.

    It names the place below `path`, the column and the value: a column that is told twice, a target that does not
    exist, or that two columns are. An empty target means: leave out.
    """
    seen: dict[str, str] = {}
    targets: dict[str, str] = {}
    for index, (column, target) in enumerate(columns):
        told = {"column": column, "value": target}
        if column in seen:
            detail = f"{column!r} is there twice"
            raise invalid_field(f"{path}[{index}].column", "unique", detail, metadata={"value": column})
        seen[column] = target
        if target and not _is_target(target):
            detail = f"there is no field {target!r}, which column {column!r} is said to be; possible: {_POSSIBLE}"
            told["possible"] = _POSSIBLE
            raise invalid_field(f"{path}[{index}].field", "mapping.target", detail, metadata=told)
        if target not in MANY and target in targets:
            detail = f"columns {targets[target]!r} and {column!r} are both said to be {target!r}"
            told["other"] = targets[target]
            raise invalid_field(f"{path}[{index}].field", "mapping.twice", detail, metadata=told)
        if target:
            targets[target] = column


def mapping_for(
    header: Sequence[str],
    given: Mapping[str, str],
    *,
    custom_labels: Mapping[str, str] | None = None,
    contract: Mapping[str, str] | None = None,
    left_out: Collection[str] = (),
    name_required: bool = True,
) -> dict[str, str]:
    """The guess, overridden column by column by what is given, which `check_given` has passed.

    `left_out` are targets that are not guessed. Where no column is the name although required, the registered one is:
    a list may name its customers by that alone. Whether it is enough, `check_complete` says.
    """
    told = {column: target for column, target in given.items() if target and column in header}
    taken = {target for target in told.values() if target not in MANY}
    guessed = guess_mapping(header, custom_labels=custom_labels, contract=contract, told=told)
    rest = {c: t for c, t in guessed.items() if c not in given and t not in taken and t not in left_out}
    mapping = {column: {**rest, **told}[column] for column in header if column in rest or column in told}
    if name_required and Field.DISPLAY_NAME not in mapping.values():
        legal = next((c for c, t in mapping.items() if t == Field.LEGAL_NAME and c not in given), None)
        if legal is not None:
            mapping[legal] = str(Field.DISPLAY_NAME)
    return mapping


def check_complete(
    header: Sequence[str],
    mapping: Mapping[str, str],
    given: Mapping[str, str],
    *,
    name_required: bool = True,
    key_required: bool = False,
) -> None:
    """Raise InvalidArgument where the file has not the columns that are told, or that an import needs.

    Its reason is IMPORT_MAPPING_INCOMPLETE; so it is where no column is the name, or none a key, although required.
    """
    columns = ", ".join(header)
    missing = next((column for column in given if column not in header), None)
    if missing is not None:
        raise InvalidArgument(
            f"there is no column {missing!r}; the columns are: {columns}",
            reason="IMPORT_MAPPING_INCOMPLETE",
            metadata={"rule": "no_column", "column": missing, "columns": columns},
        )
    if name_required and Field.DISPLAY_NAME not in mapping.values():
        raise InvalidArgument(
            f"no column is the customer's name; the columns are: {columns}",
            reason="IMPORT_MAPPING_INCOMPLETE",
            metadata={"rule": "no_name", "columns": columns},
        )
    if key_required and not any(map(is_key, mapping.values())):
        raise InvalidArgument(
            f"no column is an id or an external id, by which accounts are found; the columns are: {columns}",
            reason="IMPORT_MAPPING_INCOMPLETE",
            metadata={"rule": "no_key", "columns": columns},
        )


def has_states(column: str) -> bool:
    """Whether the column is called one of states or provinces, which are no countries."""
    return not _STATES.isdisjoint(_spellings(column)) and _COUNTRIES.isdisjoint(_spellings(column))


def is_key(target: str) -> bool:
    """Whether accounts are found by what stands in such a column."""
    return target in (Field.ID, Field.EXTERNAL_IDS) or target.startswith(EXTERNAL_ID_PREFIX)


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


_POSSIBLE = ", ".join([*Field, "external_ids.SOURCE", "custom.KEY"])
