"""Pricing the lines of a document, whoever asks: a price question, or a quote."""

from uuid import UUID

from crm_kit.database.work import Reader
from crm_kit.resource.reading import in_turns

from crm_sales.priced_lines.answers import Answers, PricedLine, reckoned
from crm_sales.priced_lines.model import Question, check_size, drafts_of, numbered
from crm_sales.priced_lines.queries import catalogue_of


async def answers_to(reader: Reader, question: Question, account_id: UUID | None) -> Answers:
    """What the lines come to. InvalidArgument and FailedPrecondition for what cannot be priced."""
    question.check()
    catalogue = await catalogue_of(reader, question.lines, account_id, question.sought.day)
    check_size(question, catalogue)
    # Lines with many price books take long together.
    found = await in_turns(enumerate(question.lines), lambda each: drafts_of(*each, question.sought, catalogue))
    return reckoned(question, numbered(found))


async def priced_lines(answers: Answers) -> list[PricedLine]:
    """Each line, the options of a bundle after it."""
    return await in_turns(range(len(answers.drafts)), answers.line)
