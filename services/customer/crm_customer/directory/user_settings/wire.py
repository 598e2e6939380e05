"""Users' settings as messages. They are no resource: nobody lists them, and they have no history."""

from crm.customer.v1 import user_settings_pb2 as pb
from crm_kit.etags import etag_of
from crm_kit.masks import changes_of
from crm_kit.resource.codecs import Reading, Unset, hints_of, writer_of
from crm_kit.resource.validation import check_fields

from crm_customer.directory.user_settings.model import UserSettings

FIELDS = ("language", "theme", "density", "time_format", "start_page", "values")
PLACE = "user_settings"
_SHOWN = (*FIELDS, "update_time")
_CONTRACT = pb.UserSettings.DESCRIPTOR.fields_by_name
_HINTS = hints_of(UserSettings)
_READINGS = {name: Reading.of(UserSettings, name, _CONTRACT[name], f"{PLACE}.{name}") for name in FIELDS}
_WRITERS = {name: writer_of(_HINTS[name], _CONTRACT[name], f"{PLACE}.{name}") for name in _SHOWN}


def settings_to_pb(settings: UserSettings) -> pb.UserSettings:
    """The message that shows settings."""
    values = {name: getattr(settings, name) for name in _SHOWN}
    shown = {name: write(values[name]) if (write := _WRITERS[name]) else values[name] for name in _SHOWN}
    return pb.UserSettings(etag=etag_of(settings.version), **shown)


def settings_updated(before: UserSettings, request: pb.UpdateUserSettingsRequest) -> UserSettings:
    """The settings as the request wants them. InvalidArgument for what cannot be changed, or is no setting."""
    asked = changes_of(request.user_settings, request.update_mask, current=settings_to_pb(before))
    merged = pb.UserSettings(**{name: value for name, value in asked.items() if value is not None})
    check_fields(merged, asked, place=PLACE)
    found = {name: _READINGS[name].read(merged) for name in asked}
    return before.update({name: None if value is Unset.UNSET else value for name, value in found.items()})
