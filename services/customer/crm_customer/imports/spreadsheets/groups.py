"""Which rows are about the same account: a list of contacts repeats the company in each of its rows."""

from dataclasses import dataclass, field, replace

Key = tuple[str, str]
OWN_SOURCE = ""
"""Of the keys of other systems each has its system; the account's own id has none."""

Site = tuple[str | None, ...]
MAX_SITES = 200
"""Branches of one name that rows without a key are compared with."""


@dataclass(frozen=True, slots=True)
class Mention:
    """What a row says of which account it is about. `site` and `host` are what tells organizations of one name apart.

    `name` is as words are compared, `company` as names of companies are, where rows go by them; both are empty if the
    row has none. `host` is that of its website, without `www.`.
    """

    row_number: int
    name: str
    company: str
    is_person: bool
    keys: tuple[Key, ...]
    site: Site
    host: str | None = None

    def agrees(self, other: "Mention") -> bool:
        """Whether nothing that both tell says that they are about different organizations."""
        pairs = zip(self.site, other.site, strict=True)
        return all(a is None or b is None or a == b for a, b in pairs) and same_site(self.host, other.host)

    def with_told(self, other: "Mention") -> "Mention":
        """With what another row about the same account tells and this one does not."""
        site = tuple(a if a is not None else b for a, b in zip(self.site, other.site, strict=True))
        return replace(self, site=site, host=self.host or other.host)


def same_site(host: str | None, other: str | None) -> bool:
    """Whether two websites may be of one organization: one is in the domain of the other, or not told."""
    if host is None or other is None or host == other:
        return True
    return host.endswith(f".{other}") or other.endswith(f".{host}")


@dataclass(slots=True)
class Groups:
    """The first row of each account, by its keys and, in a list of contacts, by its name.

    Rows with the same key are about one account; a key under another name is a mistake. A row without a key is about
    the organization that an earlier row names, unless they tell different credit codes, places or websites.
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
        if first is None and not row.keys and (same := self._same_organization(row)):
            self._learn(row, same.row_number)
            return same.row_number, same.keys
        number = row.row_number if first is None else first
        for key in row.keys:
            self._keys.setdefault(key, (number, row.name))
        if first is None and self._is_named(row):
            sites = self._names.setdefault(row.company, [])
            if len(sites) < MAX_SITES:
                sites.append(row)
        elif first is not None:
            self._learn(row, first)
        return number, row.keys

    def _learn(self, row: Mention, number: int) -> None:
        """Remember what a further row tells of the account that the row of that number was the first about."""
        sites = self._names.get(row.company, [])
        for index, earlier in enumerate(sites):
            if earlier.row_number == number:
                sites[index] = earlier.with_told(row)

    def _is_named(self, row: Mention) -> bool:
        return bool(row.company) and not row.is_person

    def _same_organization(self, row: Mention) -> Mention | None:
        if not self._is_named(row):
            return None
        return next((earlier for earlier in self._names.get(row.company, ()) if earlier.agrees(row)), None)
