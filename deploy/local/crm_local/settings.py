"""Settings of the local runner: environment variables `CRM_LOCAL_...`, all with a default that works."""

import difflib
import os
from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from crm_local.failure import LocalFailure

PREFIX = "CRM_LOCAL_"
HOST = "127.0.0.1"
GATEWAY = "gateway"
BACKENDS = ("postgres", "nats")

OFFSET = f"{PREFIX}PORT_OFFSET"

Port = Annotated[int, Field(ge=1, le=65535)]
# The highest of the usual ports has room for so much.
Offset = Annotated[int, Field(ge=0, le=57_000)]


@dataclass(frozen=True, slots=True)
class Ports:
    """Every process, with the port it listens on at 127.0.0.1 unless `CRM_LOCAL_<PROCESS>_PORT` says otherwise."""

    postgres: Port = 7432
    nats: Port = 7422
    customer: Port = 7001
    sales: Port = 7002
    service_desk: Port = 7003
    scoring: Port = 7004
    gateway: Port = 8080

    def __post_init__(self) -> None:
        wanted: dict[int, str] = {}
        for process in PROCESSES:
            other = wanted.setdefault(self.of(process), process)
            if other != process:
                raise ValueError(f"{other} and {process} cannot both have port {self.of(process)}")

    def of(self, process: str) -> int:
        port: int = getattr(self, process)
        return port

    def address(self, process: str) -> str:
        """`host:port` of a process."""
        return f"{HOST}:{self.of(process)}"


PROCESSES = tuple(each.name for each in fields(Ports))
SERVICES = tuple(name for name in PROCESSES if name not in (*BACKENDS, GATEWAY))


class Settings(BaseSettings):
    """What can be changed from outside. A wrong value or an unknown name is an error, never ignored."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, env_ignore_empty=True)

    ports: Ports = Ports()
    run_folder: Path = Path(".run")
    # A folder with `postgres` and `initdb`, instead of the wheel's.
    postgres_bin: Path | None = None
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["console", "json"] = "console"
    otlp_endpoint: str = ""
    start_seconds: Annotated[float, Field(gt=0, le=3600)] = 120.0


def port_setting(process: str) -> str:
    """The environment variable that moves `process` to another port."""
    return f"{PREFIX}{process.upper()}_PORT"


def load_settings() -> Settings:
    """Settings of this process's environment. Raises LocalFailure of one line that names the setting."""
    given = {name.upper(): value for name, value in os.environ.items() if name.upper().startswith(PREFIX)}
    refuse_unknown(given)
    ports = {process: port for process in PROCESSES if (port := given.get(port_setting(process)))}
    try:
        offset = TypeAdapter(Offset).validate_python(given.get(OFFSET) or 0)
    except ValidationError as error:
        raise LocalFailure(f"{OFFSET}={given[OFFSET]}: {error.errors()[0]['msg']}") from error
    try:
        return Settings(ports=TypeAdapter(Ports).validate_python(moved(offset) | ports))
    except ValidationError as error:
        problem = error.errors()[0]
        message = problem["msg"].removeprefix("Value error, ")
        if not problem["loc"]:
            raise LocalFailure(f"{PREFIX}..._PORT: {message}") from error
        name = str(problem["loc"][0])
        setting = port_setting(name) if name in PROCESSES else f"{PREFIX}{name.upper()}"
        raise LocalFailure(f"{setting}={problem['input']}: {message}") from error


def moved(offset: int) -> dict[str, int]:
    """The usual port of every process, and so many further on: for a second copy beside the first."""
    return {process: Ports().of(process) + offset for process in PROCESSES}


def known_settings() -> set[str]:
    """The name of every setting."""
    plain = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields if name != "ports"}
    return plain | {OFFSET} | {port_setting(process) for process in PROCESSES}


def refuse_unknown(names: Iterable[str]) -> None:
    """Raises LocalFailure for a name that is no setting, with the one that may be meant."""
    known = known_settings()
    for name in sorted(set(names) - known):
        close = difflib.get_close_matches(name, known, n=1)
        hint = f", did you mean {close[0]}?" if close else f"; there are {', '.join(sorted(known))}"
        raise LocalFailure(f"{name} is no setting{hint}")
