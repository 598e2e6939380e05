"""What sales tells the customer service about an account or a contact that a sale brings."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Generic, TypeVar
from uuid import UUID

from crm_kit.custom_fields.values import CustomValues
from crm_kit.likeness import Person, name_key


@dataclass(frozen=True, slots=True)
class NewAccount:
    """A company, or a private person when `is_organization` is false. `lead_id` is that of the lead it comes from."""

    display_name: str
    is_organization: bool
    lead_id: UUID
    owner_id: UUID | None = None
    phone_number: str | None = None
    email: str | None = None
    region_code: str | None = None
    source: str | None = None
    custom: CustomValues = field(default_factory=dict)

    @property
    def key(self) -> str:
        """The same for all who are the same account."""
        phone = "" if self.is_organization else f" {self.phone_number or self.lead_id}"
        return f"account {name_key(self.display_name)}{phone}"

    def is_named(self, display_name: str) -> bool:
        """Whether an account of this name is called the same."""
        return name_key(display_name) == name_key(self.display_name)


@dataclass(frozen=True, slots=True)
class NewContact:
    """A person at an account."""

    display_name: str
    account_id: UUID
    owner_id: UUID | None = None
    job_title: str | None = None
    phone_number: str | None = None
    email: str | None = None
    custom: CustomValues = field(default_factory=dict)

    @property
    def key(self) -> str:
        """The same for all who may be the same contact."""
        return f"contact {self.account_id} {name_key(self.display_name)}"

    @property
    def person(self) -> Person:
        """What they are told apart by from others of the account."""
        phones, emails = ((each,) if each else () for each in (self.phone_number, self.email))
        return Person(self.display_name, phones, emails)


New = TypeVar("New", NewAccount, NewContact)


@dataclass(frozen=True, slots=True)
class Earlier(Generic[New]):
    """What conversions of a lead that were broken off have told of the same, the first of them `since` then."""

    told: Sequence[New] = ()
    since: datetime | None = None

    def told_by(self, create_time: datetime) -> Sequence[New]:
        """All that was told of what was created then: nothing of what was there before, which is not theirs."""
        return self.told if self.since is not None and create_time >= self.since else ()


class ValueTier(StrEnum):
    """What an account is worth to us, from the most to the least, as the scoring service says."""

    KEY = "KEY"
    MAJOR = "MAJOR"
    STANDARD = "STANDARD"
    SMALL = "SMALL"
    NEGATIVE = "NEGATIVE"
