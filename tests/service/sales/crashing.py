"""A client of the customer service that loses answers: whoever asks stops in the middle of a conversion."""

from typing import Any, TypeVar

from crm.customer.v1 import accounts_pb2, contacts_pb2
from crm_kit.rpc.clients import ServiceClient
from crm_sales.accounts.client import CustomerClient
from crm_sales.accounts.model import NewAccount, NewContact

Created = TypeVar("Created", accounts_pb2.Account, contacts_pb2.Contact)


class CrashError(Exception):
    """The process ends here."""


class Crashing(CustomerClient):
    """Loses what the customer service answered, at chosen calls."""

    def __init__(self, peer: ServiceClient, *crash_at: str) -> None:
        super().__init__(peer)
        self.crash_at = set(crash_at)

    async def find_or_create_account(self, wanted: NewAccount, **asked: Any) -> accounts_pb2.Account:
        return self._crashed("account", await super().find_or_create_account(wanted, **asked))

    async def find_or_create_contact(self, wanted: NewContact, **asked: Any) -> contacts_pb2.Contact:
        return self._crashed("contact", await super().find_or_create_contact(wanted, **asked))

    def _crashed(self, at: str, answer: Created) -> Created:
        if at in self.crash_at:
            self.crash_at.discard(at)
            raise CrashError(at)
        return answer
