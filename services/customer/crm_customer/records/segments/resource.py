"""Segments, declared."""

from crm.customer.v1 import events_pb2 as events
from crm.customer.v1 import segments_pb2 as pb
from crm_kit.custom_fields.model import State as FieldState
from crm_kit.filtering.schema import CUSTOM
from crm_kit.plumbing import custom_fields
from crm_kit.resource.writing import Resource
from sqlalchemy import Text, exists, func, literal, not_, select
from sqlalchemy.dialects.postgresql import ARRAY

from crm_customer.records.segments.model import Segment, State
from crm_customer.records.segments.tables import segments

_use = func.unnest(segments.c.custom_uses).table_valued("use", name="custom_use").render_derived()
_fields = custom_fields.c
# Fields that the segment goes by and that are put away, or are of another type by now.
UNUSABLE_FIELDS = func.array(
    select(literal(CUSTOM) + func.split_part(_use.c.use, " ", 1))
    .where(
        not_(
            exists()
            .where(
                _fields.tenant_id == segments.c.tenant_id,
                _fields.collection == "accounts",
                _fields.state == FieldState.ACTIVE,
                _fields.key + " " + _fields.type == _use.c.use,
            )
            .correlate(segments, _use)
        )
    )
    .correlate(segments)
    .scalar_subquery(),
    type_=ARRAY(Text),
)

SEGMENTS = Resource(
    "segment",
    entity=Segment,
    table=segments,
    message=pb.Segment,
    created=events.SegmentCreated,
    updated=events.SegmentUpdated,
    computed={"unusable_fields": UNUSABLE_FIELDS},
    unversioned={"unusable_fields", "custom_uses"},
    hidden={"state": {State.ARCHIVED}},
    verbs={
        "AddSegmentMembers": lambda segment, _: segment.require_static(),
        "RemoveSegmentMembers": lambda segment, _: segment.require_static(),
        "ArchiveSegment": lambda segment, _: segment.archive(),
        "RestoreSegment": lambda segment, _: segment.restore(),
    },
)
