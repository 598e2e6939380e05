"""Which accounts are restricted by rule, as a message. It is no resource: nobody lists it, and it has no history."""

from crm.customer.v1 import account_restrictions_pb2 as pb
from crm_kit.etags import etag_of
from crm_kit.masks import changes_of
from crm_kit.resource.codecs import Reading, Unset, hints_of, writer_of
from crm_kit.resource.validation import check_fields

from crm_customer.records.account_restrictions.model import AccountRestriction

PLACE = "account_restriction"
FIELDS = ("kinds", "value_tiers")
_SHOWN = (*FIELDS, "update_time")
_CONTRACT = pb.AccountRestriction.DESCRIPTOR.fields_by_name
_HINTS = hints_of(AccountRestriction)
_READINGS = {name: Reading.of(AccountRestriction, name, _CONTRACT[name], f"{PLACE}.{name}") for name in FIELDS}
_WRITERS = {name: writer_of(_HINTS[name], _CONTRACT[name], f"{PLACE}.{name}") for name in _SHOWN}


def restriction_to_pb(restriction: AccountRestriction) -> pb.AccountRestriction:
    """The message that shows the setting."""
    values = {name: getattr(restriction, name) for name in _SHOWN}
    shown = {name: write(values[name]) if (write := _WRITERS[name]) else values[name] for name in _SHOWN}
    return pb.AccountRestriction(etag=etag_of(restriction.version), **shown)


def restriction_updated(before: AccountRestriction, request: pb.UpdateAccountRestrictionRequest) -> AccountRestriction:
    """The setting as the request wants it. InvalidArgument for what cannot be changed."""
    asked = changes_of(request.account_restriction, request.update_mask, current=restriction_to_pb(before))
    merged = pb.AccountRestriction(**{name: value for name, value in asked.items() if value is not None})
    check_fields(merged, asked, place=PLACE)
    found = {name: _READINGS[name].read(merged) for name in asked}
    changed = {name: () if value is Unset.UNSET or value is None else tuple(value) for name, value in found.items()}
    kept = {name: getattr(before, name) for name in FIELDS}
    return AccountRestriction(**(kept | changed), version=before.version, update_time=before.update_time)
