"""The answer of a report as a workbook, and the mail that it goes with. Pure."""

from dataclasses import dataclass
from datetime import date
from typing import Any

from crm_kit.labels import Label
from crm_kit.mail.model import MAX_FILE_NAME, MAX_SUBJECT, Attachment, Mail
from crm_kit.notice_texts import Language, language_of_region
from crm_kit.reports.model import Report
from crm_kit.reports.table import ReportTable
from crm_kit.spreadsheets.xlsx_file import MEDIA_TYPE, XlsxFile

SAID = Label(
    "{name} of {day} is attached, with the figures that you may read.",
    "附件为{day}的{name}，其中的数字以您的查看权限为准。",
)
WHY = Label(
    "You get this mail since you are subscribed to the report; its owner can change that.",
    "您收到此邮件，是因为您订阅了该报表；如需更改，请联系报表所有者。",
)
# What file systems do not take in a name, and how long one may be.
FORBIDDEN = frozenset('/\\:*?"<>|')
MAX_NAME_BYTES = 255


@dataclass(frozen=True, slots=True)
class Recipient:
    """Whose login is an address, mostly, and the language in which they read."""

    login: str
    language: Language


def language_for(chosen: str, region_code: str) -> Language:
    """The language that was chosen, or that of the country."""
    if chosen:
        return "zh" if chosen == "zh" else "en"
    return language_of_region(region_code)


def file_of(answer: Any, language: Language) -> bytes:
    """The workbook, as `:export` of the report writes it; it may take a while."""
    file, table = XlsxFile(), ReportTable(answer, language)
    kinds = table.kinds()
    file.write(table.header())
    for row in table.rows():
        file.write(row, kinds)
    return file.take() + file.end()


def mail_of(report: Report, to: Recipient, content: bytes, *, day: date) -> Mail:
    """The mail; what people have called the report may have more in it than a line, or a file's name, can have."""
    name = " ".join("".join(each if each.isprintable() else " " for each in report.display_name).split()) or "-"
    said, why = getattr(SAID, to.language), getattr(WHY, to.language)
    text = said.format(name=name, day=day.isoformat()) + "\n\n-- \n" + why + "\n"
    attachment = Attachment(_file_name(name, f"-{day.isoformat()}.xlsx"), MEDIA_TYPE, content)
    return Mail((to.login,), f"{name} {day.isoformat()}"[:MAX_SUBJECT], text, (attachment,))


def _file_name(name: str, ending: str) -> str:
    """A name that file systems and mails take."""
    plain = "".join("-" if each in FORBIDDEN else each for each in name)[: MAX_FILE_NAME - len(ending)]
    return plain.encode()[: MAX_NAME_BYTES - len(ending)].decode(errors="ignore") + ending
