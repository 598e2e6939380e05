"""Service levels, declared. They serve everybody, so every scope sees them all."""

from crm.service_desk.v1 import events_pb2 as events
from crm.service_desk.v1 import service_levels_pb2 as pb
from crm_kit.resource.writing import Resource

from crm_service_desk.service_levels.model import ServiceLevel
from crm_service_desk.service_levels.tables import service_levels

SERVICE_LEVELS = Resource(
    "service_level",
    entity=ServiceLevel,
    table=service_levels,
    message=pb.ServiceLevel,
    created=events.ServiceLevelCreated,
    updated=events.ServiceLevelUpdated,
    default_order="position",
)
