"""Saved views, declared: who sees one, and what it says of fields that are gone."""

from dataclasses import replace
from datetime import datetime
from typing import Any

from crm.customer.v1 import events_pb2 as events
from crm.customer.v1 import saved_views_pb2 as pb
from crm_kit.identity.access import Scope
from crm_kit.plumbing import access_teams, access_users
from crm_kit.resource.writing import Resource
from sqlalchemy import ColumnElement, Select, and_, any_, bindparam, or_, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import Uuid

from crm_customer.workspace.saved_views.asked import problems_of
from crm_customer.workspace.saved_views.model import SavedView, State, Visibility
from crm_customer.workspace.saved_views.tables import saved_views


def seen(scope: Scope) -> ColumnElement[bool]:
    """One's own, what one's team and those above share, and what is everybody's.

    With a wider scope also what the teams share that it reaches, and nothing that is private.
    """
    view = saved_views.c
    ways = [
        view.owner_id == bindparam("me"),
        view.visibility == Visibility.TENANT,
        and_(view.visibility == Visibility.TEAM, view.owner_team_id.in_(teams_from_mine_up())),
    ]
    if scope is Scope.TEAM:
        below = view.owner_team_id == any_(bindparam("team_ids", type_=ARRAY(Uuid)))
        ways.append(and_(view.visibility == Visibility.TEAM, below))
    if scope is Scope.ALL:
        ways.append(view.visibility == Visibility.TEAM)
    return or_(*ways)


def teams_from_mine_up() -> Select[Any]:
    """The reader's team and all above it. UNION, not UNION ALL: it ends even where a tree is none."""
    users, teams = access_users.c, access_teams.c
    mine = select(users.team_id).where(users.tenant_id == bindparam("tenant_id"), users.id == bindparam("me"))
    here = (
        select(teams.id, teams.parent_id)
        .where(teams.tenant_id == bindparam("tenant_id"), teams.id == mine.scalar_subquery())
        .cte("my_teams_and_above", recursive=True)
    )
    above = select(teams.id, teams.parent_id).where(
        teams.tenant_id == bindparam("tenant_id"), teams.id == here.c.parent_id
    )
    return select(here.union(above).c.id)


def as_of_now(view: SavedView, _now: datetime) -> SavedView:
    """The view with its problems, which change with the platform's version."""
    return replace(view, problems=tuple(problems_of(view)))


SAVED_VIEWS = Resource(
    "saved_view",
    entity=SavedView,
    table=saved_views,
    message=pb.SavedView,
    created=events.SavedViewCreated,
    updated=events.SavedViewUpdated,
    visible=seen,
    hidden={"state": {State.ARCHIVED}},
    at=as_of_now,
    momentary={"problems"},
    default_order="position",
    verbs={
        "ArchiveSavedView": lambda view, _: view.archive(),
        "RestoreSavedView": lambda view, _: view.restore(),
    },
)
