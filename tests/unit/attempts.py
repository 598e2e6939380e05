"""Verbs, tried on a record without a database."""

from datetime import datetime
from typing import Any, cast
from uuid import UUID

from crm_kit.database.work import ReadSession
from crm_kit.identity.access import Scope, service_actor
from crm_kit.resource.actions import Attempt


def attempt_at(now: datetime) -> Attempt:
    """Who may do everything tries, and reads nothing for it."""
    reader = ReadSession(cast("Any", None), service_actor(UUID(int=1)), scope=Scope.ALL, now=now)
    return Attempt(reader, Scope.ALL)
