"""Which rows are about the same account: a list of contacts repeats the company in each of its rows."""

from dataclasses import dataclass, field

Key = tuple[str, str]
OWN_SOURCE = ""
"""Of the keys of other systems each has its system; the account's own id has none."""

Site = tuple[str | None, ...]
MAX_SITES = 200
"""Branches of one name that rows without a key are compared with."""


@dataclass(frozen=True, slots=True)
class Mention:
    """What a row says of which account it is about. `site` is what tells organizations of one `name` apart.

    The name is as words are compared; empty if the row has none, or is about a person: people share names.
    """

    row_number: int
    name: str
    is_person: bool
    keys: tuple[Key, ...]
    site: Site


@dataclass(slots=True)
class Groups:
    """The first row of each account, by its keys and, in a list of contacts, by its name.

    Rows with the same key are about one account; a key under another name is a mistake. A row without a key is about
    the organization that an earlier row names, unless they tell different credit codes or places: branches.
    Of each row some 300 bytes are kept. Of one name only the first branches are, since every row is compared with each.
    """

    by_name: bool
    _keys: dict[Key, tuple[int, str]] = field(default_factory=dict)
    _names: dict[str, list[Mention]] = field(default_factory=dict)

    def refused(self, row: Mention) -> tuple[Key, int] | None:
        """A key of the row that an earlier row of another name has, and that row; None when all is well."""
        for key in row.keys:
            earlier, other = self._keys.get(key, (0, row.name))
            if row.name and other and row.name != other:
                return key, earlier
        return None

    def place(self, row: Mention) -> tuple[int, tuple[Key, ...]]:
        """The first row about the row's account, which may be this one, and the keys by which the account is known."""
        first = next((self._keys[key][0] for key in row.keys if key in self._keys), None)
        if first is None and not row.keys and (same := self._same_site(row)):
            return same.row_number, same.keys
        number = row.row_number if first is None else first
        for key in row.keys:
            self._keys.setdefault(key, (number, row.name))
        if first is None and self._is_named(row):
            sites = self._names.setdefault(row.name, [])
            if len(sites) < MAX_SITES:
                sites.append(row)
        return number, row.keys

    def _is_named(self, row: Mention) -> bool:
        return self.by_name and bool(row.name) and not row.is_person

    def _same_site(self, row: Mention) -> Mention | None:
        if not self._is_named(row):
            return None
        for earlier in self._names.get(row.name, ()):
            pairs = zip(row.site, earlier.site, strict=True)
            if all(a is None or b is None or a == b for a, b in pairs):
                return earlier
        return None
