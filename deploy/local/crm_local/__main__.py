"""Everything on this machine: `python -m crm_local run | reset | status | token | migration | resource`."""

import argparse
import asyncio
import json
import os
import signal
import sys
import time
from datetime import UTC, datetime
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from urllib.parse import urlsplit

import psutil

from crm_local.credentials import load_credentials
from crm_local.drafts import DRAFTED, draft_migration
from crm_local.failure import LocalFailure
from crm_local.forwarding import given_settings
from crm_local.health import asked
from crm_local.installation import Installation, welcome
from crm_local.place import delete_place
from crm_local.postgres import SUPERUSER
from crm_local.processes import DEMO_LOGIN, DEMO_TENANT
from crm_local.run_folder import Holder, RunFolder
from crm_local.scaffold.names import names_of
from crm_local.scaffold.resource import plan_resource
from crm_local.settings import BACKENDS, GATEWAY, SERVICES, Settings, load_settings
from crm_local.supervisor import State
from crm_local.terminal import Terminal

EVERYTHING = (*BACKENDS, *SERVICES, GATEWAY)
TOKEN_SECONDS = 10.0


async def run(settings: Settings, terminal: Terminal) -> None:
    """Start everything, say where it is, stop it when asked to."""
    began = time.monotonic()
    installation = Installation(settings, terminal, given=given_settings())
    installation.begin(datetime.now(UTC), os.getpid(), EVERYTHING)
    task = asyncio.current_task()
    assert task is not None
    asked = 0

    def stop() -> None:
        nonlocal asked
        asked += 1
        if asked == 1:
            task.cancel()
        else:
            terminal.say("ending everything at once")
            installation.supervisor.kill_all()

    loop = asyncio.get_running_loop()
    for what in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(what, stop)
    try:
        await installation.start_all()
        await installation.add_examples()
        terminal.say(welcome(installation))
        terminal.say(f"\nready after {time.monotonic() - began:.1f} s")
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        if not asked:
            raise
    finally:
        asked = max(asked, 1)
        await _stop(installation, terminal)


async def _stop(installation: Installation, terminal: Terminal) -> None:
    terminal.say()
    async with terminal.step("stop"):
        await installation.stop()


def reset(settings: Settings, terminal: Terminal) -> None:
    """Forget all data, secrets and logs of the run folder."""
    folder = RunFolder(settings.run_folder)
    if not folder.path.exists():
        terminal.say(f"there is nothing to forget in {folder.path}")
        return
    try:
        folder.lock(Holder(os.getpid(), datetime.now(UTC).isoformat(timespec="seconds"), "reset"))
    except LocalFailure as failure:
        raise LocalFailure(f"{failure}\nstop that first (Ctrl-C), then reset") from failure
    gone = delete_place((folder.path / "postgres").resolve())
    folder.delete()
    terminal.say(f"forgotten: {', '.join(str(path) for path in dict.fromkeys([folder.path, *gone]))}")


async def status(settings: Settings, terminal: Terminal) -> int:
    """Tell whether it runs and how each process says it is; the exit code, 3 or 4 when nothing or not all of it is."""
    folder = RunFolder(settings.run_folder)
    holder = folder.holder()
    if holder is None:
        terminal.say(f"not running from {folder.path}")
        return 3
    terminal.say(f"running since {holder.since} (pid {holder.pid}): {holder.url}")
    sightings = folder.read_sightings()
    postgres = next((one.address for one in sightings if one.name == "postgres"), "")
    password = load_credentials(folder.secrets).postgres_password
    states = await asked(sightings, f"postgresql://{SUPERUSER}:{password}@{postgres}/postgres")
    for one, state in zip(sightings, states, strict=True):
        try:
            memory = f"{psutil.Process(one.pid).memory_info().rss / 1e6:.0f} MB"
        except psutil.Error:
            memory = ""
        terminal.say(
            f"  {one.name:<13}{state:<13}{one.address:<17}pid {one.pid:<8}{memory:>8}  restarts {one.restarts}"
        )
    if all(state == State.READY for state in states):
        return 0
    terminal.say(f"why, say {folder.logs}/<process>.log; how the gateway sees it: {holder.url}/health/services")
    return 4


def token(settings: Settings, login: str) -> str:
    """An access token of one of the demo tenant's people."""
    folder = RunFolder(settings.run_folder)
    holder = folder.holder()
    if holder is None:
        raise LocalFailure(f"not running from {folder.path}: `make run` starts it")
    password = load_credentials(folder.secrets).demo_password
    body = json.dumps({"tenant": DEMO_TENANT, "login": login, "password": password})
    address = urlsplit(holder.url)
    connection = HTTPConnection(address.hostname or "", address.port, timeout=TOKEN_SECONDS)
    try:
        connection.request("POST", "/v1/auth:token", body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        text = answer.read().decode()
    except (OSError, HTTPException) as error:
        raise LocalFailure(f"{holder.url} does not answer: {error}") from error
    finally:
        connection.close()
    if answer.status != HTTPStatus.OK:
        raise LocalFailure(f"{holder.url} gives no token: {answer.status} {text}")
    return str(json.loads(text)["access_token"])


def new_resource(terminal: Terminal, service: str, noun: str, *, plural: str, chinese: str) -> None:
    """Write the scaffold of a resource into the repository that is the current folder."""
    plan = plan_resource(Path(), names_of(service, noun, plural=plural, chinese=chinese))
    plan.write()
    for path in plan.created:
        terminal.say(f"new      {path}")
    for path in plan.edited:
        terminal.say(f"changed  {path}")


def main(arguments: list[str] | None = None) -> int:
    """Run one command; its exit code."""
    parser = argparse.ArgumentParser(prog="python -m crm_local", description="Guanxi on this machine")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("run", help="start everything; Ctrl-C stops it and keeps the data")
    commands.add_parser("reset", help="forget all local data")
    commands.add_parser("status", help="how the processes are; exit code 3 when not running, 4 when not all are ready")
    tokens = commands.add_parser("token", help="print an access token of the demo tenant's administrator")
    tokens.add_argument(
        "--login", default=DEMO_LOGIN, help="of somebody else of it, for example sales.manager@demo.example"
    )
    migration = commands.add_parser("migration", help="draft the migration to what a service's tables say now")
    migration.add_argument("service", help=", ".join(DRAFTED))
    migration.add_argument("message")
    resource = commands.add_parser("resource", help="write the scaffold of a new resource of a service")
    resource.add_argument("service")
    resource.add_argument("noun", help="in snake_case, for example service_contract")
    resource.add_argument("--plural", default="", help="where the noun's is not a regular one")
    resource.add_argument("--chinese", default="", help="what people call it in Chinese, for example 服务合同; needed")
    options = parser.parse_args(arguments)
    command = options.command
    terminal = Terminal()
    try:
        settings = load_settings()
        if command == "run":
            asyncio.run(run(settings, terminal))
        elif command == "reset":
            reset(settings, terminal)
        elif command == "status":
            return asyncio.run(status(settings, terminal))
        elif command == "migration":
            path = asyncio.run(draft_migration(options.service, options.message))
            terminal.say(str(path or f"nothing to migrate: the tables of {options.service} are as its migrations say"))
        elif command == "resource":
            new_resource(terminal, options.service, options.noun, plural=options.plural, chinese=options.chinese)
        else:
            terminal.say(token(settings, options.login))
    except LocalFailure as failure:
        print(f"error: {failure}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
