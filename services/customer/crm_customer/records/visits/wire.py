"""What a request tells of a visit that was made, as the interaction has it."""

from datetime import date
from typing import Any

from crm.customer.v1 import visits_pb2 as pb
from crm_kit.errors import invalid_field
from crm_kit.wire import time_from


def told_of(request: pb.CompleteVisitRequest) -> dict[str, Any]:
    """Values of an interaction's fields, those that are given. InvalidArgument for a day that there is not."""
    told: dict[str, Any] = {
        name: getattr(request, name) for name in ("body", "outcome", "next_step") if getattr(request, name)
    }
    if request.HasField("visit_time"):
        told["interaction_time"] = time_from(request.visit_time)
    if request.next_step_due_date:
        try:
            told["next_step_due_date"] = date.fromisoformat(request.next_step_due_date)
        except ValueError:
            raise invalid_field("next_step_due_date", "date", "is no day of the calendar") from None
    return told
