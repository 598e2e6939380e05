"""Accounts between protobuf and entity."""

from collections.abc import Iterable

from crm.customer.v1 import accounts_pb2 as pb
from crm.customer.v1 import events_pb2
from crm_kit.etags import etag_of
from crm_kit.wire import EnumNames, Fields, id_from, id_text, same, text_or_none, time_from, timestamp

from crm_customer.records.accounts.model import (
    Account,
    Address,
    CompetitorProfile,
    Consent,
    ExternalId,
    Kind,
    Role,
    Status,
)

KINDS = EnumNames(pb.Account.Kind, "KIND_", Kind)
ROLES = EnumNames(pb.Account.Role, "ROLE_", Role)
STATUSES = EnumNames(pb.Account.Status, "STATUS_", Status)
ADDRESS_KINDS = EnumNames(pb.Address.Kind, "KIND_", str)


def addresses_from(values: Iterable[pb.Address]) -> tuple[Address, ...]:
    return tuple(
        Address(
            kind=ADDRESS_KINDS.entity(each.kind) if each.kind else "",
            region_code=each.region_code,
            city=each.city,
            line=each.line,
            postal_code=each.postal_code,
        )
        for each in values
    )


def consents_from(values: Iterable[pb.Consent]) -> tuple[Consent, ...]:
    return tuple(
        Consent(
            channel=each.channel,
            granted=each.state == pb.Consent.STATE_GRANTED,
            change_time=time_from(each.change_time) if each.HasField("change_time") else None,
            evidence=each.evidence,
        )
        for each in values
    )


def profile_from(value: pb.CompetitorProfile) -> CompetitorProfile | None:
    profile = CompetitorProfile(value.main_products, value.strengths, value.weaknesses)
    return None if profile == CompetitorProfile() else profile


# What a caller may set beside kind and display_name.
FIELDS = Fields(
    legal_name=text_or_none,
    short_name=text_or_none,
    credit_code=text_or_none,
    roles=ROLES.entities,
    industry=text_or_none,
    employee_count=same,
    region_code=text_or_none,
    addresses=addresses_from,
    phone_numbers=tuple,
    emails=tuple,
    website=text_or_none,
    source=text_or_none,
    parent_id=id_from,
    owner_id=id_from,
    external_ids=lambda values: tuple(ExternalId(each.source, each.value) for each in values),
    tags=tuple,
    preferences=text_or_none,
    taboos=text_or_none,
    consents=consents_from,
    competitor_profile=profile_from,
)
CHANGEABLE = FIELDS.with_more(kind=KINDS.entity, display_name=same)


def account_to_pb(account: Account) -> pb.Account:
    message = pb.Account(
        id=str(account.id),
        kind=KINDS.wire(account.kind),
        display_name=account.display_name,
        legal_name=account.legal_name or "",
        short_name=account.short_name or "",
        credit_code=account.credit_code or "",
        roles=map(ROLES.wire, account.roles),
        status=STATUSES.wire(account.status),
        industry=account.industry or "",
        employee_count=account.employee_count,
        region_code=account.region_code or "",
        addresses=map(address_to_pb, account.addresses),
        phone_numbers=account.phone_numbers,
        emails=account.emails,
        website=account.website or "",
        source=account.source or "",
        parent_id=id_text(account.parent_id),
        owner_id=id_text(account.owner_id),
        owner_team_id=id_text(account.owner_team_id),
        external_ids=[pb.ExternalId(source=each.source, value=each.value) for each in account.external_ids],
        tags=account.tags,
        preferences=account.preferences or "",
        taboos=account.taboos or "",
        consents=map(consent_to_pb, account.consents),
        merged_into_id=id_text(account.merged_into_id),
        last_contact_time=timestamp(account.last_contact_time),
        value_tier=account.value_tier or "",
        etag=etag_of(account.version),
        create_time=timestamp(account.create_time),
        update_time=timestamp(account.update_time),
    )
    if account.competitor_profile is not None:
        profile = account.competitor_profile
        message.competitor_profile.main_products = profile.main_products
        message.competitor_profile.strengths = profile.strengths
        message.competitor_profile.weaknesses = profile.weaknesses
    return message


def address_to_pb(address: Address) -> pb.Address:
    return pb.Address(
        kind=ADDRESS_KINDS.wire(address.kind) if address.kind else pb.Address.KIND_UNSPECIFIED,
        region_code=address.region_code,
        city=address.city,
        line=address.line,
        postal_code=address.postal_code,
    )


def consent_to_pb(consent: Consent) -> pb.Consent:
    return pb.Consent(
        channel=consent.channel,
        state=pb.Consent.STATE_GRANTED if consent.granted else pb.Consent.STATE_DENIED,
        change_time=timestamp(consent.change_time),
        evidence=consent.evidence,
    )


def account_created(account: Account) -> events_pb2.AccountCreated:
    return events_pb2.AccountCreated(account=account_to_pb(account))


def account_updated(account: Account, changed_fields: Iterable[str]) -> events_pb2.AccountUpdated:
    return events_pb2.AccountUpdated(account=account_to_pb(account), changed_fields=changed_fields)


def account_status_changed(account: Account, old_status: Status) -> events_pb2.AccountStatusChanged:
    return events_pb2.AccountStatusChanged(account=account_to_pb(account), old_status=STATUSES.wire(old_status))
