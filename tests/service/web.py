"""A gateway in front of services under test, to call them over REST."""

import contextlib
from collections.abc import AsyncIterator

import httpx
from crm_gateway.app import create_app
from crm_gateway.settings import Settings

from tests.service.running import Running, User


@contextlib.asynccontextmanager
async def gateway(*services: Running) -> AsyncIterator[httpx.AsyncClient]:
    """Calls the services by REST; others do not answer."""
    settings = Settings()
    for each in services:
        setattr(settings, f"{each.service.name}_address", each.service.settings.listen_address)
    app = create_app(settings)
    transport = httpx.ASGITransport(app=app.asgi)
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
        yield client
    await app.close()


def bearer(user: User) -> dict[str, str]:
    """The headers that say who asks."""
    return {"authorization": f"Bearer {user.token}"}
