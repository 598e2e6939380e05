"""A contact: a person we know at one or more accounts."""

import enum
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from crm_kit.custom_fields.values import CustomValues
from crm_kit.errors import FieldViolation, InvalidArgument, wrong_state
from crm_kit.phone_numbers import normalized

from crm_customer.records.accounts.model import Consent, dated, repeated
from crm_customer.records.quality_rules.quality import FieldCheck, FieldTime, confirmed


class Role(enum.StrEnum):
    DECISION_MAKER = "DECISION_MAKER"
    INFLUENCER = "INFLUENCER"
    USER = "USER"
    FINANCE = "FINANCE"
    TECHNICAL = "TECHNICAL"


class Status(enum.StrEnum):
    ACTIVE = "ACTIVE"
    ARCHIVED = "ARCHIVED"


@dataclass(frozen=True, slots=True)
class AccountLink:
    """At which account a contact is, and as what; the role may not be known."""

    account_id: UUID
    role: Role | None = None


@dataclass(frozen=True, slots=True)
class Contact:
    """Fields as in the contract; text that is not known is None. The first account is the main one."""

    id: UUID
    display_name: str
    accounts: tuple[AccountLink, ...]
    create_time: datetime
    update_time: datetime
    version: int = 1
    status: Status = Status.ACTIVE
    job_title: str | None = None
    department: str | None = None
    phone_numbers: tuple[str, ...] = ()
    emails: tuple[str, ...] = ()
    birth_date: date | None = None
    reports_to_id: UUID | None = None
    preferences: str | None = None
    taboos: str | None = None
    consents: tuple[Consent, ...] = ()
    owner_id: UUID | None = None
    owner_team_id: UUID | None = None
    # The tenant's own fields by key.
    custom: CustomValues = field(default_factory=dict)
    # When people filled in what last, which they may confirm since.
    field_checks: tuple[FieldCheck, ...] = ()
    # The fields of which sources say something, and those of them of which one says something else.
    sourced_fields: tuple[str, ...] = ()
    conflicting_fields: tuple[str, ...] = ()
    field_times: tuple[FieldTime, ...] = field(default=(), compare=False)
    # How it stands, and by which rules it was assessed so.
    completeness: int | None = field(default=None, compare=False)
    missing_fields: tuple[str, ...] = field(default=(), compare=False)
    next_stale_time: datetime | None = field(default=None, compare=False)
    quality_basis: str = field(default="", compare=False)

    @property
    def account_ids(self) -> tuple[UUID, ...]:
        return tuple(link.account_id for link in self.accounts)

    def update(self, values: dict[str, Any], *, now: datetime, region: str) -> "Contact":
        """With new values of some fields. FailedPrecondition when it is archived."""
        self._check_status("changed", Status.ACTIVE)
        return replace(self, **values).checked(now=now, region=region)

    def confirm(self, checks: Sequence[FieldCheck], known: Collection[str]) -> "Contact":
        """With values found to be right. FailedPrecondition when it is archived."""
        self._check_status("confirmed", Status.ACTIVE)
        return replace(self, field_checks=confirmed(self, checks, known))

    def archive(self) -> "Contact":
        """Put it away; it keeps its history."""
        self._check_status("archived", Status.ACTIVE)
        return replace(self, status=Status.ARCHIVED)

    def restore(self) -> "Contact":
        """Bring it back."""
        self._check_status("restored", Status.ARCHIVED)
        return replace(self, status=Status.ACTIVE)

    def checked(self, *, now: datetime, region: str) -> "Contact":
        """The contact with its numbers in E.164 and its consents dated. InvalidArgument for what breaks a rule.

        `region` says where numbers without a country code are.
        """
        violations = list(self._violations(now))
        if violations:
            detail = "; ".join(f"{each.field}: {each.detail}" for each in violations)
            raise InvalidArgument(detail, violations=violations)
        phones = normalized(self.phone_numbers, region=region, field="contact.phone_numbers")
        return replace(self, phone_numbers=phones, consents=dated(self.consents, now=now))

    def _violations(self, now: datetime) -> Iterator[FieldViolation]:
        if not self.accounts:
            yield FieldViolation("contact.accounts", "required", "a contact is at one account at least")
        # Somewhere on earth it is a day later than here.
        if self.birth_date is not None and self.birth_date > (now + timedelta(days=1)).date():
            yield FieldViolation("contact.birth_date", "past", "lies in the future")
        yield from repeated("contact.accounts", [str(each.account_id) for each in self.accounts])
        yield from repeated("contact.consents", [each.channel for each in self.consents])

    def _check_status(self, verb: str, legal: Status) -> None:
        if self.status is not legal:
            raise wrong_state("contact", self.status, verb, legal=[legal])
