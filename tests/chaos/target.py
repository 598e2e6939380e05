"""What can be put through a chaos run: a platform that was started here, however that was done."""

from signal import Signals
from typing import Protocol


class Target(Protocol):
    """Its processes are postgres, nats, the services by name, and gateway."""

    @property
    def rest_url(self) -> str: ...
    @property
    def demo_login(self) -> dict[str, str]: ...
    def superuser_url(self, database: str = "postgres") -> str: ...
    def kill(self, name: str, what: Signals = Signals.SIGKILL) -> None:
        """Send a signal to a process; what ends by it comes back by itself."""

    async def ready(self, name: str, seconds: float = 60.0) -> None:
        """Wait until a process is ready; TimeoutError when that takes longer."""

    def log(self, name: str) -> str:
        """All that a process has written."""
