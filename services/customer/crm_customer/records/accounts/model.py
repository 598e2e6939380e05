"""An account: a company or a person we have, want or had business with."""

import enum
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from crm_kit.custom_fields.values import CustomValues
from crm_kit.errors import FieldViolation, InvalidArgument, illegal_state, invalid_field, wrong_state
from crm_kit.keys import tidied_code
from crm_kit.phone_numbers import normalized
from crm_kit.regions import region_violations

from crm_customer.records.account_kinds import Kind, ValueTier
from crm_customer.records.accounts.credit_code import parse_credit_code
from crm_customer.records.quality_rules.quality import FieldCheck, FieldTime, confirmed


class Role(enum.StrEnum):
    PROSPECT = "PROSPECT"
    CUSTOMER = "CUSTOMER"
    PARTNER = "PARTNER"
    SUPPLIER = "SUPPLIER"
    COMPETITOR = "COMPETITOR"


class Status(enum.StrEnum):
    POTENTIAL = "POTENTIAL"
    ACTIVE = "ACTIVE"
    DORMANT = "DORMANT"
    LOST = "LOST"
    ARCHIVED = "ARCHIVED"
    MERGED = "MERGED"


class RestrictedBy(enum.StrEnum):
    """By what an account is restricted, or open."""

    HAND = "HAND"
    RULE = "RULE"


class AddressKind(enum.StrEnum):
    REGISTERED = "REGISTERED"
    OFFICE = "OFFICE"
    DELIVERY = "DELIVERY"
    BILLING = "BILLING"
    HOME = "HOME"


class ConsentState(enum.StrEnum):
    GRANTED = "GRANTED"
    DENIED = "DENIED"


# Of accounts below one another, from the top of a group on.
MAX_LEVELS = 10

# Business may pause and resume at any point; what is put away or merged is left alone.
IN_BUSINESS = (Status.POTENTIAL, Status.ACTIVE, Status.DORMANT, Status.LOST)


@dataclass(frozen=True, slots=True)
class Address:
    """A place; `region_code` is ISO 3166."""

    kind: AddressKind | None = None
    region_code: str | None = None
    city: str | None = None
    line: str | None = None
    postal_code: str | None = None


@dataclass(frozen=True, slots=True)
class ExternalId:
    """The key of the account in another system."""

    source: str
    value: str


@dataclass(frozen=True, slots=True)
class Consent:
    """Whether we may approach them over a channel, since when, and how we know."""

    channel: str
    state: ConsentState
    change_time: datetime | None = None
    evidence: str | None = None


@dataclass(frozen=True, slots=True)
class CompetitorProfile:
    """What we know of a rival."""

    main_products: str | None = None
    strengths: str | None = None
    weaknesses: str | None = None


@dataclass(frozen=True, slots=True)
class Account:
    """Fields as in the contract; what is not known is None. Phones are E.164, the region is ISO 3166-2."""

    id: UUID
    kind: Kind
    display_name: str
    create_time: datetime
    update_time: datetime
    version: int = 1
    status: Status = Status.POTENTIAL
    # What an archived account had, so that it can be restored.
    status_before_archive: Status | None = None
    legal_name: str | None = None
    short_name: str | None = None
    credit_code: str | None = None
    roles: tuple[Role, ...] = ()
    industry: str | None = None
    employee_count: int | None = None
    region_code: str | None = None
    addresses: tuple[Address, ...] = ()
    phone_numbers: tuple[str, ...] = ()
    emails: tuple[str, ...] = ()
    website: str | None = None
    source: str | None = None
    parent_id: UUID | None = None
    owner_id: UUID | None = None
    owner_team_id: UUID | None = None
    external_ids: tuple[ExternalId, ...] = ()
    tags: tuple[str, ...] = ()
    preferences: str | None = None
    taboos: str | None = None
    consents: tuple[Consent, ...] = ()
    competitor_profile: CompetitorProfile | None = None
    merged_into_id: UUID | None = None
    # The tenant's own fields by key.
    custom: CustomValues = field(default_factory=dict)
    # When people filled in what last, which they may confirm since.
    field_checks: tuple[FieldCheck, ...] = ()
    # The fields of which sources say something, and those of them of which one says something else.
    sourced_fields: tuple[str, ...] = ()
    conflicting_fields: tuple[str, ...] = ()
    field_times: tuple[FieldTime, ...] = field(default=(), compare=False)
    # How it stands, and by which rules and in which tier it was assessed so.
    completeness: int | None = field(default=None, compare=False)
    missing_fields: tuple[str, ...] = field(default=(), compare=False)
    next_stale_time: datetime | None = field(default=None, compare=False)
    quality_basis: str = field(default="", compare=False)
    quality_tier: ValueTier | None = field(default=None, compare=False)
    # Filled from events, never by a caller.
    last_contact_time: datetime | None = field(default=None, compare=False)
    value_tier: ValueTier | None = field(default=None, compare=False)
    # Whether it is open to few, by what it is so or is not, and why where that was somebody's decision.
    restricted: bool = False
    restricted_by: RestrictedBy | None = None
    restriction_reason: str | None = None
    # Who is in its team today.
    team_member_ids: tuple[UUID, ...] = field(default=(), compare=False)

    def update(self, values: dict[str, Any], *, now: datetime, region: str) -> "Account":
        """With new values of some fields. FailedPrecondition when it is archived or merged."""
        self._check_status("changed", *IN_BUSINESS)
        return replace(self, **values).checked(now=now, region=region)

    def change_status(self, status: Status) -> "Account":
        """Move to another status of business. FailedPrecondition when it is archived or merged."""
        self._check_status("moved to another status", *IN_BUSINESS)
        return replace(self, status=status)

    def confirm(self, checks: Sequence[FieldCheck], known: Collection[str]) -> "Account":
        """With values found to be right. FailedPrecondition when it is archived or merged."""
        self._check_status("confirmed", *IN_BUSINESS)
        return replace(self, field_checks=confirmed(self, checks, known))

    def archive(self) -> "Account":
        """Put it away; it keeps its history."""
        self._check_status("archived", *IN_BUSINESS)
        return replace(self, status=Status.ARCHIVED, status_before_archive=self.status)

    def restore(self) -> "Account":
        """Bring it back with the status it had."""
        self._check_status("restored", Status.ARCHIVED)
        return replace(self, status=self.status_before_archive or Status.POTENTIAL, status_before_archive=None)

    def restrict(self, reason: str) -> "Account":
        """Open to few from now on, whatever rules say. FailedPrecondition when somebody has restricted it already."""
        if self.restricted and self.restricted_by is RestrictedBy.HAND:
            raise illegal_state("already_restricted", "the account is restricted by hand already")
        return replace(self, restricted=True, restricted_by=RestrictedBy.HAND, restriction_reason=reason)

    def ruled(self, *, takes: bool) -> "Account":
        """As a rule of the tenant's has it, which `takes` it or not; what somebody has decided stays."""
        if self.restricted_by is RestrictedBy.HAND:
            return self
        return replace(self, restricted=takes, restricted_by=RestrictedBy.RULE if takes else None)

    def unrestrict(self, reason: str) -> "Account":
        """Open to all whose permissions reach it, whatever rules say. FailedPrecondition when it is so."""
        if not self.restricted:
            raise illegal_state("not_restricted", "the account is not restricted")
        return replace(self, restricted=False, restricted_by=RestrictedBy.HAND, restriction_reason=reason)

    def checked(self, *, now: datetime, region: str) -> "Account":
        """The account with numbers in E.164, keys tidied and consents dated. InvalidArgument for what breaks a rule.

        `region` says where numbers without a country code are when the account has none of its own.
        """
        if self.credit_code:
            parse_credit_code(self.credit_code, field="account.credit_code")
        violations = list(self._violations())
        if violations:
            detail = "; ".join(f"{each.field}: {each.detail}" for each in violations)
            raise InvalidArgument(detail, violations=violations)
        phones = normalized(self.phone_numbers, region=self.region_code or region, field="account.phone_numbers")
        keys = tuple(replace(each, value=tidied_code(each.value)) for each in self.external_ids)
        return replace(self, phone_numbers=phones, external_ids=keys, consents=dated(self.consents, now=now))

    def check_place(self, above: Collection[UUID], *, levels_below: int = 0) -> None:
        """Raise InvalidArgument when the account is one of those that are, all the way up, `above` its place.

        Or when there would be more than ten levels, with those that go along with it.
        """
        if self.id in above:
            raise invalid_field("account.parent_id", "cycle", "an account cannot be below itself")
        if len(above) + 1 + levels_below > MAX_LEVELS:
            detail = f"accounts would be below one another on more than {MAX_LEVELS} levels"
            raise invalid_field("account.parent_id", "levels", detail, metadata={"most": str(MAX_LEVELS)})

    def _violations(self) -> Iterator[FieldViolation]:
        if self.parent_id == self.id:
            yield FieldViolation("account.parent_id", "cycle", "an account cannot be its own parent")
        yield from region_violations(self.region_code, field="account.region_code")
        for index, address in enumerate(self.addresses):
            yield from region_violations(address.region_code, field=f"account.addresses[{index}].region_code")
        yield from repeated("account.external_ids", [each.source for each in self.external_ids])
        yield from repeated("account.consents", [each.channel for each in self.consents])

    def _check_status(self, verb: str, *legal: Status) -> None:
        if self.status not in legal:
            raise wrong_state("account", self.status, verb, legal=legal)


def repeated(field: str, keys: Sequence[str]) -> Iterator[FieldViolation]:
    """A violation for each key of a list that is there before."""
    for index, key in enumerate(keys):
        if key in keys[:index]:
            yield FieldViolation(f"{field}[{index}]", "unique", f"{key} is there twice")


def dated(consents: tuple[Consent, ...], *, now: datetime) -> tuple[Consent, ...]:
    """Consents of which each says since when: now, where that was not told."""
    return tuple(each if each.change_time else replace(each, change_time=now) for each in consents)
