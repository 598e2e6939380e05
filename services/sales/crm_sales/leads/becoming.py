"""Whom a lead names: the account and the contact that it becomes. Pure."""

from collections.abc import Mapping
from types import MappingProxyType

from crm_kit.custom_fields.values import CustomValue, CustomValues

from crm_sales.accounts.model import NewAccount, NewContact
from crm_sales.leads.model import Lead

NONE: Mapping[str, CustomValue] = MappingProxyType({})


def account_named_by(lead: Lead, custom: CustomValues = NONE) -> NewAccount:
    """The lead's company, or its person where it names none."""
    is_organization = lead.company_name is not None
    return NewAccount(
        display_name=lead.company_name or lead.display_name,
        is_organization=is_organization,
        lead_id=lead.id,
        owner_id=lead.owner_id,
        phone_number=None if is_organization else lead.phone_number,
        email=None if is_organization else lead.email,
        region_code=lead.region_code,
        source=lead.source,
        custom=custom,
    )


def contact_named_by(lead: Lead, custom: CustomValues = NONE) -> NewContact:
    """The lead's person, at the account that it has become."""
    assert lead.account_id is not None, "the contact comes after the account"
    return NewContact(
        display_name=lead.display_name,
        account_id=lead.account_id,
        owner_id=lead.owner_id,
        job_title=lead.job_title,
        phone_number=lead.phone_number,
        email=lead.email,
        custom=custom,
    )
