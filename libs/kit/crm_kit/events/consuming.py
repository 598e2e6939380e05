"""Consumers as background work, with the broker they consume from."""

from nats.aio.client import Client

from crm_kit.events.consumers import Consumers


class Consuming:
    """Consumers with the broker they consume from."""

    def __init__(self, consumers: Consumers, client: Client) -> None:
        self.name = f"consumers of {consumers.name}"
        self._consumers = consumers
        self._client = client

    async def run(self) -> None:
        """Consume until cancelled."""
        await self._consumers.run(self._client)
