"""The answer of a report as a file, and the mail that it goes with. Pure."""

from dataclasses import dataclass
from datetime import date
from typing import Any

from crm_kit.labels import Label
from crm_kit.mail.model import MAX_FILE_NAME, MAX_SUBJECT, Attachment, Mail
from crm_kit.notice_texts import Language, language_of_region
from crm_kit.reports.model import Report
from crm_kit.reports.pdf import MEDIA_TYPE as PDF_MEDIA_TYPE
from crm_kit.reports.pdf import pdf_of
from crm_kit.reports.workbook import workbook_of
from crm_kit.spreadsheets.xlsx_file import MEDIA_TYPE

PDF = "pdf"
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
class File:
    """What is attached to a mail; the format is how its name ends."""

    format: str
    media_type: str
    content: bytes


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


def file_of(report: Report, format: str, answer: Any, language: Language, *, day: date) -> File:
    """The file, as `:export` of the report writes it; it may take a while."""
    if format == PDF:
        return File(
            PDF, PDF_MEDIA_TYPE, pdf_of(answer, language, name=report.display_name, day=day, chart=report.chart)
        )
    return File("xlsx", MEDIA_TYPE, workbook_of(answer, language, chart=report.chart))


def mail_of(report: Report, to: Recipient, file: File, *, day: date, console_url: str = "") -> Mail:
    """The mail; what people have called the report may have more in it than a line, or a file's name, can have.

    With the address of the console it has a link to the report.
    """
    name = " ".join("".join(each if each.isprintable() else " " for each in report.display_name).split()) or "-"
    said, why = getattr(SAID, to.language), getattr(WHY, to.language)
    link = f"\n\n{console_url}/reports/{report.collection}/{report.id}" if console_url else ""
    text = said.format(name=name, day=day.isoformat()) + link + "\n\n-- \n" + why + "\n"
    file_name = _file_name(name, f"-{day.isoformat()}.{file.format}")
    attachment = Attachment(file_name, file.media_type, file.content)
    return Mail((to.login,), f"{name} {day.isoformat()}"[:MAX_SUBJECT], text, (attachment,))


def _file_name(name: str, ending: str) -> str:
    """A name that file systems and mails take."""
    plain = "".join("-" if each in FORBIDDEN else each for each in name)[: MAX_FILE_NAME - len(ending)]
    return plain.encode()[: MAX_NAME_BYTES - len(ending)].decode(errors="ignore") + ending
