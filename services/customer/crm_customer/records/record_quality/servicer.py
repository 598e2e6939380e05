"""RecordQualityService: how a record stands, field by field."""

from typing import Any
from uuid import UUID

from crm.customer.v1 import record_quality_pb2 as pb
from crm_kit.change_proposals.queries import value_now
from crm_kit.database.work import Reader
from crm_kit.resource.codecs import build
from crm_kit.resource.label import Shown

from crm_customer.records.accounts.resource import ACCOUNTS
from crm_customer.records.contacts.resource import CONTACTS
from crm_customer.records.quality_rules.book import rules_of
from crm_customer.records.quality_rules.keeping import AnyResource
from crm_customer.records.quality_rules.quality import field_qualities, quality_of
from crm_customer.records.source_values.model import SourceValue, agrees
from crm_customer.records.source_values.queries import standing_of
from crm_customer.records.source_values.wire import value_to_pb

MISSING = "missing_fields"


class RecordQualityServicer:
    contract = pb.DESCRIPTOR.services_by_name["RecordQualityService"]

    async def GetAccountQuality(self, request: pb.GetAccountQualityRequest, reader: Reader) -> pb.RecordQuality:
        return await quality(reader, ACCOUNTS, UUID(request.id))

    async def GetContactQuality(self, request: pb.GetContactQualityRequest, reader: Reader) -> pb.RecordQuality:
        return await quality(reader, CONTACTS, UUID(request.id))


async def quality(reader: Reader, resource: AnyResource, id: UUID) -> pb.RecordQuality:
    """How a record stands at the reader's time, by the rules as they are now, without fields hidden from the reader."""
    record = await resource.get(reader, id)
    hidden = resource.hidden_from(reader)
    rule = (await rules_of(reader, resource.collection)).fitting(record)
    # By which rule it is would tell who does not see the tier; what a rule expects of hidden fields is not there.
    rule = None if rule is None or MISSING in hidden else rule.without(hidden)
    shown = build(
        pb.RecordQuality,
        completeness=quality_of(record, rule).completeness,
        quality_rule_id=None if rule is None else rule.id,
        fields=[each for each in field_qualities(record, rule, now=reader.now) if each.field not in hidden],
    )
    if record.conflicting_fields:
        await resource.note(reader, [resource.message_of(record)], Shown.RECORD)
        disagreeing = await disagreeing_values(reader, resource, record)
        shown.source_values.extend(value_to_pb(each, agrees=False) for each in disagreeing if each.field not in hidden)
    return shown


async def disagreeing_values(reader: Reader, resource: AnyResource, record: Any) -> list[SourceValue]:
    """What sources say that the record does not have."""
    standing = await standing_of(reader, resource.collection, record.id)
    return [each for each in standing if not agrees(each.value, value_now(resource, record, each.field))]
