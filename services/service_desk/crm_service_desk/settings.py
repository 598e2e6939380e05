"""What the service desk reads from its environment beside what all services read."""

from typing import Annotated

from crm_kit.outbound_settings import OutboundSettings
from msgspec import Meta


class ServiceDeskSettings(OutboundSettings, kw_only=True):
    # Encrypts at rest what adapters of channels sign by, and the passwords of mailboxes.
    channel_key_secret: Annotated[str, Meta(min_length=16)]
    # For so long after its resolution a case can be reopened.
    reopen_days: Annotated[int, Meta(ge=1, le=3650)] = 14
