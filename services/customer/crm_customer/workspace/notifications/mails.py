"""The mails of notifications, in words."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from crm_kit.labels import Label
from crm_kit.mail.model import MAX_SUBJECT, MAX_TEXT, Mail
from crm_kit.notice_texts import Language, title_of

from crm_customer.workspace.notifications.model import Notification

OF_THE_DAY = Label("Your notifications of the day", "您的每日通知")
MORE = Label("There are more in the app.", "更多通知请在系统中查看。")
WHY = Label(
    "You get this mail by your notification preferences.",
    "您收到此邮件，是因为您在通知设置中选择了邮件通知。",
)
BETWEEN = "\n\n"
# The rest is for what stands below.
ROOM = MAX_TEXT - 1000


class Mails:
    """Writes them; `console_url` is where records are shown, or empty where there is no such place."""

    def __init__(self, console_url: str) -> None:
        self._console_url = console_url.rstrip("/")

    def at_once(self, address: str, told: Notification, language: Language) -> Mail:
        """One notification."""
        return Mail((address,), _line(title(told, language)), self._text([self._part(told, language)], language))

    def of_day(self, address: str, told: Sequence[Notification], language: Language, *, more: bool) -> Mail:
        """Those of a day, as far as a mail holds them."""
        parts = list(_within(ROOM, (self._part(each, language) for each in told)))
        if more or len(parts) < len(told):
            parts.append(_in(MORE, language))
        return Mail((address,), _in(OF_THE_DAY, language), self._text(parts, language))

    def _text(self, parts: Sequence[str], language: Language) -> str:
        return BETWEEN.join((*parts, "-- \n" + _in(WHY, language))) + "\n"

    def _part(self, told: Notification, language: Language) -> str:
        link = f"{self._console_url}/{told.collection}/{told.record_id}" if self._console_url else ""
        return "\n".join(filter(None, (title(told, language), told.text, link)))


def _within(room: int, parts: Iterable[str]) -> Iterator[str]:
    """The first of them that have so many characters together."""
    for part in parts:
        room -= len(part) + len(BETWEEN)
        if room < 0:
            return
        yield part


def title(told: Notification, language: Language) -> str:
    values: Mapping[str, Any] = told.values
    return title_of(told.kind, told.record_title or "", values, language)


def _in(label: Label, language: Language) -> str:
    text: str = getattr(label, language)
    return text


def _line(text: str) -> str:
    """A subject: what somebody has called a record may have more than one line in it."""
    return " ".join("".join(each if each.isprintable() else " " for each in text).split())[:MAX_SUBJECT]
