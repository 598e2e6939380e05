"""Calendars, declared. They serve everybody, so every scope sees them all."""

from crm.service_desk.v1 import calendars_pb2 as pb
from crm.service_desk.v1 import events_pb2 as events
from crm_kit.resource.writing import Resource

from crm_service_desk.calendars.model import Calendar
from crm_service_desk.calendars.tables import calendars

CALENDARS = Resource(
    "calendar",
    entity=Calendar,
    table=calendars,
    message=pb.Calendar,
    created=events.CalendarCreated,
    updated=events.CalendarUpdated,
)
