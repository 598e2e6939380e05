"""NATS with JetStream of one installation."""

import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from crm_local.child import Program, inherited_environment
from crm_local.credentials import write_private
from crm_local.failure import LocalFailure
from crm_local.probes import nats_ready
from crm_local.settings import HOST

OPERATOR = "operator"
# The same as on a cluster. NATS takes paths relative to the file that includes them, hence a copy beside it.
AUTHORIZATION = Path(__file__).resolve().parents[2] / "nats" / "authorization.conf"
CONFIGURATION = """\
server_name: guanxi-local
host: "{host}"
port: {port}
jetstream {{ store_dir: "{store}", max_memory_store: 256MiB, max_file_store: 8GiB }}
include "./authorization.conf"
"""


class NatsServer:
    """One NATS server that keeps its streams in `home`. `passwords` are by user: each service, and the operator."""

    def __init__(self, home: Path, log: Path, port: int, passwords: Mapping[str, str], *, host: str = HOST) -> None:
        self.home = home
        self.port = port
        self._log = log
        self._passwords = passwords
        self._host = host

    def url(self, user: str = OPERATOR) -> str:
        """With user and password."""
        return f"nats://{user}:{self._passwords[user]}@{self._host}:{self.port}"

    def program(self) -> Program:
        """What the supervisor has to run; writes its configuration."""
        configuration = self.home / "nats.conf"
        self.home.mkdir(mode=0o700, exist_ok=True)
        write_private(self.home / AUTHORIZATION.name, AUTHORIZATION.read_text())
        write_private(configuration, CONFIGURATION.format(host=self._host, port=self.port, store=self.home / "streams"))
        # In quotes: NATS would take one that begins with a digit for a number or a date.
        passwords = {f"CRM_NATS_{user.upper()}_PASSWORD": f'"{each}"' for user, each in self._passwords.items()}
        return Program(
            name="nats",
            command=(str(nats_program()), "--config", str(configuration)),
            log=self._log,
            environment=inherited_environment() | passwords,
            ready=nats_ready(self._host, self.port),
            address=f"{self._host}:{self.port}",
        )


def nats_program() -> Path:
    """The nats-server beside this Python, where its wheel puts it, or one on the PATH."""
    beside = Path(sys.executable).with_name("nats-server")
    if beside.exists():
        return beside
    found = shutil.which("nats-server")
    if found is None:
        raise LocalFailure(
            f"there is no nats-server at {beside} nor on the PATH: `make build` installs it where its wheel fits"
        )
    return Path(found).absolute()
