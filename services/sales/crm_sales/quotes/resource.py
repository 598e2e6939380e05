"""Quotes, declared, and that submitting one can be approved."""

from uuid import UUID

from crm.sales.v1 import events_pb2 as events
from crm.sales.v1 import quotes_pb2 as pb
from crm_kit.accounts import reached_with_account
from crm_kit.approvals.declaration import Approvable
from crm_kit.approvals.policies.model import Measured
from crm_kit.approvals.resource import of_records
from crm_kit.database.work import Reader, seeing_all
from crm_kit.identity.access import Scope
from crm_kit.resource.writing import Resource

from crm_sales.accounts.tables import accounts
from crm_sales.quotes.model import Quote, QuoteState
from crm_sales.quotes.tables import quotes

SEEN = reached_with_account(quotes, accounts)
QUOTES = Resource(
    "quote",
    entity=Quote,
    table=quotes,
    message=pb.Quote,
    created=events.QuoteCreated,
    updated=events.QuoteUpdated,
    visible=SEEN,
    hidden={"state": {QuoteState.SUPERSEDED}},
    verbs={
        "RepriceQuote": lambda quote, _: quote.require_draft("repriced"),
        "SubmitQuote": lambda quote, _: quote.submit(),
        # Which day it is where the tenant is, these two look at when they are called.
        "SendQuote": lambda quote, _: quote.require_sendable(today=quote.valid_until_date),
        "AcceptQuote": lambda quote, _: quote.require_acceptable(today=quote.valid_until_date),
        "RejectQuote": lambda quote, now: quote.reject("", now=now),
        "ReviseQuote": lambda quote, _: quote.require_revisable(),
    },
    assigned="owner_id",
)


def offered_by(before: Quote | None, _request: pb.SubmitQuoteRequest) -> Measured:
    """What the quote comes to before tax, and how deep its deepest discount is."""
    return Measured() if before is None else Measured(before.net_amount, before.deepest_discount_percent)


async def owner_of_quote(reader: Reader, id: UUID) -> UUID | None:
    """Who owns the quote, whoever may see it."""
    with seeing_all(reader):
        quote = await QUOTES.find(reader, id, scope=Scope.ALL)
    return quote.owner_id if quote else None


SUBMITTING_QUOTES = Approvable(
    QUOTES,
    "SubmitQuote",
    measure=offered_by,
    owner=owner_of_quote,
    seen=of_records(quotes, SEEN),
    by_request=False,
    has_discount=True,
)
