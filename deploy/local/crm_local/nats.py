"""NATS with JetStream of one installation."""

import shutil
import sys
from pathlib import Path

from crm_local.child import Program, inherited_environment
from crm_local.credentials import write_private
from crm_local.failure import LocalFailure
from crm_local.probes import nats_ready
from crm_local.settings import HOST

USER = "crm"
CONFIGURATION = """\
server_name: guanxi-local
host: "{host}"
port: {port}
jetstream {{ store_dir: "{store}", max_memory_store: 256MiB, max_file_store: 8GiB }}
authorization {{ user: {user}, password: "{password}" }}
"""


class NatsServer:
    """One NATS server that keeps its streams in `home`. All who connect share one password."""

    def __init__(self, home: Path, log: Path, port: int, password: str) -> None:
        self.home = home
        self.port = port
        self._log = log
        self._password = password

    @property
    def url(self) -> str:
        """With user and password."""
        return f"nats://{USER}:{self._password}@{HOST}:{self.port}"

    def program(self) -> Program:
        """What the supervisor has to run; writes its configuration."""
        configuration = self.home / "nats.conf"
        self.home.mkdir(mode=0o700, exist_ok=True)
        write_private(
            configuration,
            CONFIGURATION.format(
                host=HOST, port=self.port, store=self.home / "streams", user=USER, password=self._password
            ),
        )
        return Program(
            name="nats",
            command=(str(nats_program()), "--config", str(configuration)),
            log=self._log,
            environment=inherited_environment(),
            ready=nats_ready(HOST, self.port),
            address=f"{HOST}:{self.port}",
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
