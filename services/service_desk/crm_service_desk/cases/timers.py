"""Milestones that fall due, found by their timers on each tenant's clock; and calendars that changed.

A timer fires at most once, whatever restarts or runs twice: its row and its case are written by conditions that
only the first can meet.
"""

import asyncio
import contextlib
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from crm_kit.clock import system_now
from crm_kit.database.connections import ALL_TENANTS, Database
from crm_kit.database.statements import statement
from crm_kit.database.work import Unit, retried, unit
from crm_kit.errors import CrmError, Unavailable
from crm_kit.identity.access import Scope, service_actor
from crm_kit.plumbing import access_tenants
from sqlalchemy import DateTime, Select, bindparam, delete, select, true
from sqlalchemy.sql.selectable import Lateral
from sqlalchemy.types import Integer, Uuid

from crm_service_desk.calendars.tables import calendar_recounts
from crm_service_desk.cases.commands import changed_from
from crm_service_desk.cases.firing import fire, recount
from crm_service_desk.cases.milestones import TimerLevel
from crm_service_desk.cases.tables import cases, milestone_timers
from crm_service_desk.service_levels.model import MilestoneKind

log = structlog.get_logger()
EVERY_SECONDS = 2.0
BATCH = 200
A_TENANTS_SHARE = 50
# A case that was being created while its calendar changed is found after this.
SETTLING = timedelta(seconds=30)
