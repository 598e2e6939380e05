"""What a new resource is called, in every form that contracts and code need."""

import keyword
import re
from dataclasses import dataclass

from crm_kit.contract import plurals

from crm_local.failure import LocalFailure
from crm_local.settings import SERVICES

NOUN = re.compile(r"[a-z][a-z0-9]*(_[a-z][a-z0-9]*)*")
HAN = re.compile(r"[\u4e00-\u9fff]")
UNQUOTABLE = re.compile(r'["\\{}\n]|^\s|\s$')
# PostgreSQL cuts names at 63 characters, and an index adds up to 18 to the table's.
MAX_LENGTH = 40
# Names that the rooms import or use themselves.
TAKEN = {"any", "columns", "command", "failed_precondition", "metadata", "resource", "str_enum", "unit_of_work"}
EXAMPLE = "for example `make resource SERVICE=sales NAME=service_contract CHINESE=服务合同`"
# Where a service keeps its rooms when that is not its own folder.
WINGS = {"customer": "records"}


@dataclass(frozen=True, slots=True)
class Names:
    """A noun such as `service_contract`, its plural, its Chinese name, and the service that it belongs to."""

    service: str
    noun: str
    plural: str
    chinese: str

    @property
    def message(self) -> str:
        """The message and the entity: `ServiceContract`."""
        return camel(self.noun)

    @property
    def words(self) -> str:
        """As prose says it: `service contract`."""
        return self.noun.replace("_", " ")

    @property
    def path(self) -> str:
        """The collection in routes: `service-contracts`."""
        return self.plural.replace("_", "-")

    @property
    def room(self) -> str:
        """The package of its rooms: `crm_sales.service_contracts`."""
        return ".".join(filter(None, (f"crm_{self.service}", WINGS.get(self.service), self.plural)))

    @property
    def placeholders(self) -> dict[str, str]:
        """What the templates call these names."""
        article = "an" if self.noun[0] in "aeio" else "a"
        many_words = self.plural.replace("_", " ")
        return {
            "service": self.service,
            "room": self.room,
            "path": self.path,
            "noun": self.noun,
            "nouns": self.plural,
            "Noun": self.message,
            "Nouns": camel(self.plural),
            "NOUN": self.noun.upper(),
            "NOUNS": self.plural.upper(),
            "words": self.words,
            "many_words": many_words,
            "Many_words": many_words.capitalize(),
            "a": article,
            "A": article.capitalize(),
            "chinese": self.chinese,
        }


def names_of(service: str, noun: str, *, plural: str = "", chinese: str) -> Names:
    """The names of a new resource. Raises LocalFailure for what code or texts could not use."""
    if service not in SERVICES:
        raise LocalFailure(f"SERVICE={service} is no service: one of {', '.join(SERVICES)}")
    if not noun:
        raise LocalFailure(f"NAME is missing: a noun in snake_case, {EXAMPLE}")
    plural = plural or plurals(noun)[0]
    for setting, text in (("NAME", noun), ("PLURAL", plural)):
        if not NOUN.fullmatch(text):
            raise LocalFailure(f"{setting}={text} is not a noun in snake_case, {EXAMPLE}")
        if len(text) > MAX_LENGTH:
            raise LocalFailure(
                f"{setting}={text} has {len(text)} characters: at most {MAX_LENGTH} fit into index names"
            )
        if keyword.iskeyword(text) or text in TAKEN:
            raise LocalFailure(f"{setting}={text} is a word that the code of every resource uses: choose another")
    _check_chinese(chinese)
    if noun == plural:
        raise LocalFailure(f"NAME={noun} and its plural are the same: give the plural, for example PLURAL={noun}_list")
    return Names(service, noun, plural, chinese)


def _check_chinese(chinese: str) -> None:
    if not chinese:
        raise LocalFailure(f"CHINESE is missing: what people call it in Chinese, {EXAMPLE}")
    if not HAN.search(chinese):
        raise LocalFailure(f"CHINESE={chinese} has no Chinese in it: say what people call it, {EXAMPLE}")
    if UNQUOTABLE.search(chinese):
        raise LocalFailure(f"CHINESE={chinese} has quotes, braces or blanks at an end, which no text can have in it")


def camel(name: str) -> str:
    """`service_contract` is `ServiceContract`."""
    return "".join(part.capitalize() for part in name.split("_"))
