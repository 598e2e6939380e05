"""Teams between protobuf and entity."""

from crm.customer.v1 import events_pb2
from crm.customer.v1 import teams_pb2 as pb
from crm_kit.etags import etag_of
from crm_kit.wire import Fields, id_from, id_text, same, timestamp

from crm_customer.directory.teams.model import Team

CHANGEABLE = Fields(display_name=same, parent_id=id_from)


def team_to_pb(team: Team) -> pb.Team:
    return pb.Team(
        id=str(team.id),
        display_name=team.display_name,
        parent_id=id_text(team.parent_id),
        etag=etag_of(team.version),
        create_time=timestamp(team.create_time),
        update_time=timestamp(team.update_time),
    )


def team_changed(team: Team) -> events_pb2.TeamChanged:
    return events_pb2.TeamChanged(team=team_to_pb(team))
