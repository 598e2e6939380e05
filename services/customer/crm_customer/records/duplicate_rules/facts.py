"""What accounts are compared by, in normal form."""

import unicodedata
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import urlsplit

from crm_customer.records.duplicate_rules.names import Name, names_in
from crm_customer.records.duplicate_rules.places import place_named, province_of, provinces
from crm_customer.records.search.normalize import fold, squash, words
from crm_customer.records.search.phones import main_digits

# Where everybody has a mailbox: two customers of such a provider have nothing in common.
FREE_MAIL = frozenset(
    {
        *("qq.com", "163.com", "126.com", "139.com", "189.cn", "sina.com", "sina.cn", "sohu.com", "foxmail.com"),
        *("yeah.net", "aliyun.com", "tom.com", "21cn.com", "wo.cn", "vip.163.com", "vip.qq.com", "gmail.com"),
        *("outlook.com", "hotmail.com", "live.com", "live.cn", "msn.com", "yahoo.com", "yahoo.com.cn", "icloud.com"),
        *("me.com", "gmx.de", "gmx.net", "web.de", "mail.ru", "yandex.ru", "protonmail.com", "proton.me", "aol.com"),
    }
)
SHORTEST_LINE = 6
"""Letters and digits of the shortest line of an address that tells anything."""


@dataclass(frozen=True)
class Facts:
    """What is known of a record, as its account has it. Phone numbers are E.164; a code is sound or none."""

    is_person: bool
    names: tuple[str, ...]
    credit_code: str | None = None
    phone_numbers: tuple[str, ...] = ()
    emails: tuple[str, ...] = ()
    website: str | None = None
    region_code: str | None = None
    cities: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()

    @cached_property
    def all_names(self) -> tuple[Name, ...]:
        """Each of its names, once."""
        return tuple(dict.fromkeys(name for text in self.names for name in names_in(text)))

    @cached_property
    def all_wholes(self) -> frozenset[str]:
        """Its names in one written form."""
        return frozenset(name.whole for name in self.all_names)

    @cached_property
    def persons(self) -> frozenset[str]:
        """Its names as of a person: `Wang Fang` and `Fang Wang` are one, and so are a name and its reading."""
        read = (words(text) if text.isascii() else (name.reading,) for text in self.names for name in names_in(text))
        return frozenset("".join(sorted(each)) for each in read if each)

    @cached_property
    def phones(self) -> frozenset[str]:
        """The digits of its numbers, without extensions."""
        return frozenset(map(main_digits, self.phone_numbers))

    @cached_property
    def mailboxes(self) -> frozenset[str]:
        """Its addresses, folded."""
        return frozenset(unicodedata.normalize("NFKC", each).casefold().strip() for each in self.emails)

    @cached_property
    def domains(self) -> frozenset[str]:
        """Domains of its own, of e-mail addresses and the website."""
        of_mail = (each.rpartition("@")[2] for each in self.mailboxes)
        return frozenset(each for each in (*of_mail, domain_of(self.website)) if each and each not in FREE_MAIL)

    @cached_property
    def places(self) -> frozenset[str]:
        """Where it is: what its names and addresses say, and its province where they say nothing."""
        named = {place for name in self.all_names for place in name.places}
        named.update(place_named(squash(city)) or squash(city) for city in self.cities)
        named.discard("")
        if named or self.region_code is None:
            return frozenset(named)
        wide = (place for place, code in _by_code().items() if code == self.region_code)
        return frozenset(wide)

    @cached_property
    def streets(self) -> frozenset[str]:
        """Lines of its addresses as letters and digits, those that say something."""
        return frozenset(line for each in self.lines if len(line := squash(fold(each)[:_LONGEST])) >= SHORTEST_LINE)


_LONGEST = 200


def _by_code() -> dict[str, str]:
    cities = {place: code for place, code in province_of().items() if code in _CITIES}
    return provinces() | cities


_CITIES = frozenset({"CN-BJ", "CN-TJ", "CN-SH", "CN-CQ", "CN-HK", "CN-MO"})


def domain_of(website: str | None) -> str:
    """The host of a website without `www.`; nothing for what is none."""
    if not website:
        return ""
    try:
        host = urlsplit(website if "//" in website else f"//{website}").hostname or ""
    except ValueError:
        return ""
    return host.casefold().removeprefix("www.")
