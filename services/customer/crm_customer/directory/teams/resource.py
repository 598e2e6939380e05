"""Teams, declared. Everybody of a tenant may see all of them."""

from crm.customer.v1 import events_pb2 as events
from crm.customer.v1 import teams_pb2 as pb
from crm_kit.resource.writing import Resource

from crm_customer.directory.teams.model import Team
from crm_customer.directory.teams.tables import teams

TEAMS = Resource(
    "team",
    entity=Team,
    table=teams,
    message=pb.Team,
    created=events.TeamCreated,
    updated=events.TeamUpdated,
)
