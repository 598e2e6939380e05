"""Settings of the local runner: environment variables `CRM_LOCAL_...`, all with a default that works."""

import difflib
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from crm_local.failure import LocalFailure

PREFIX = "CRM_LOCAL_"
HOST = "127.0.0.1"

Port = Annotated[int, Field(ge=1, le=65535)]


@dataclass(frozen=True, slots=True)
class Ports:
    """The port each process listens on, always at 127.0.0.1."""

    postgres: int
    nats: int
    customer: int
    sales: int
    service_desk: int
    scoring: int
    gateway: int

    def of(self, process: str) -> int:
        port: int = asdict(self)[process]
        return port

    def address(self, process: str) -> str:
        """`host:port` of a process."""
        return f"{HOST}:{self.of(process)}"


class Settings(BaseSettings):
    """What can be changed from outside. A wrong value or an unknown name is an error, never ignored."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, env_ignore_empty=True)

    run_folder: Path = Path(".run")
    postgres_port: Port = 7432
    nats_port: Port = 7422
    customer_port: Port = 7001
    sales_port: Port = 7002
    service_desk_port: Port = 7003
    scoring_port: Port = 7004
    gateway_port: Port = 8080
    # A folder with `postgres` and `initdb`, instead of the wheel's.
    postgres_bin: Path | None = None
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["console", "json"] = "console"
    otlp_endpoint: str = ""
    start_seconds: Annotated[float, Field(gt=0, le=3600)] = 120.0

    @model_validator(mode="after")
    def _no_port_twice(self) -> Self:
        wanted: dict[int, str] = {}
        for process, port in asdict(self.ports).items():
            if port in wanted:
                raise ValueError(f"{wanted[port]} and {process} cannot both have port {port}")
            wanted[port] = process
        return self

    @property
    def ports(self) -> Ports:
        return Ports(
            postgres=self.postgres_port,
            nats=self.nats_port,
            customer=self.customer_port,
            sales=self.sales_port,
            service_desk=self.service_desk_port,
            scoring=self.scoring_port,
            gateway=self.gateway_port,
        )


def port_setting(process: str) -> str:
    """The environment variable that moves `process` to another port."""
    return f"{PREFIX}{process.upper()}_PORT"


def load_settings() -> Settings:
    """Settings of this process's environment. Raises LocalFailure of one line that names the setting."""
    known = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields}
    for name in sorted(os.environ):
        if name.upper().startswith(PREFIX) and name.upper() not in known:
            close = difflib.get_close_matches(name.upper(), known, n=1)
            hint = f", did you mean {close[0]}?" if close else f"; there are {', '.join(sorted(known))}"
            raise LocalFailure(f"{name} is no setting{hint}")
    try:
        return Settings()
    except ValidationError as error:
        problem = error.errors()[0]
        message = problem["msg"].removeprefix("Value error, ")
        if not problem["loc"]:
            raise LocalFailure(f"{PREFIX}..._PORT: {message}") from error
        setting = f"{PREFIX}{str(problem['loc'][0]).upper()}"
        raise LocalFailure(f"{setting}={problem['input']}: {message}") from error
