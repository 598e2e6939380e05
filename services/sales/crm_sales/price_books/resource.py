"""Price books, declared. One for an account is seen with the account."""

from crm.sales.v1 import events_pb2 as events
from crm.sales.v1 import price_books_pb2 as pb
from crm_kit.identity.access import Scope
from crm_kit.resource.reach import at_open, at_owned
from crm_kit.resource.writing import Resource
from sqlalchemy import ColumnElement, and_, or_, true

from crm_sales.accounts.tables import accounts
from crm_sales.price_books.model import BookState, PriceBook
from crm_sales.price_books.tables import price_books


def is_seen(scope: Scope) -> ColumnElement[bool]:
    """Those for an account as far as the scope reaches the account, if it is open to the actor; all others anyhow."""
    account_id = price_books.c.account_id
    reached = true() if scope is Scope.ALL else at_owned(price_books, account_id, accounts, scope)
    return or_(account_id.is_(None), and_(reached, at_open(price_books, account_id, accounts, scope)))


PRICE_BOOKS = Resource(
    "price_book",
    entity=PriceBook,
    table=price_books,
    message=pb.PriceBook,
    created=events.PriceBookCreated,
    updated=events.PriceBookUpdated,
    visible=is_seen,
    shared=True,
    hidden={"state": {BookState.ARCHIVED}},
    verbs={
        "ActivatePriceBook": lambda book, _: book.activate(),
        "ArchivePriceBook": lambda book, _: book.archive(),
    },
)
