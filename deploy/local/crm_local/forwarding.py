"""Settings of the services and the gateway, `CRM_...`, that whoever starts them here gives.

Each is passed on to those that read it, but for what the runner decides itself, such as addresses and secrets.
"""

import difflib
import os
from collections.abc import Collection, Mapping
from functools import cache
from importlib import import_module

import msgspec
from crm_kit import settings as kit

from crm_local.settings import GATEWAY, PREFIX, PROCESSES, SERVICES, known_settings, port_setting


def given_settings() -> dict[str, str]:
    """All `CRM_...` of this process's environment, but for the runner's own."""
    return {
        name: value for name, value in os.environ.items() if name.startswith(kit.PREFIX) and not name.startswith(PREFIX)
    }


def forwarded(process: str, given: Mapping[str, str]) -> dict[str, str]:
    """Those of `given` that a service or the gateway reads."""
    return {name: value for name, value in given.items() if name in settings_of(process)}


def kept_back(given: Collection[str], decided: Collection[str]) -> list[str]:
    """A line for each name of `given` that is passed on to nobody: it is among those `decided` here, or no setting."""
    return [line for name in sorted(given) if (line := _why_not(name, decided))]


def _why_not(name: str, decided: Collection[str]) -> str:
    if name in decided:
        instead = _instead(name)
        return f"{name} is not passed on, it is decided here" + (f"; {instead} changes it" if instead else "")
    known = {each for process in (*SERVICES, GATEWAY) for each in settings_of(process)} - set(decided)
    if name in known:
        return ""
    close = difflib.get_close_matches(name, known, n=1)
    return f"{name} is no setting of any process" + (f", did you mean {close[0]}?" if close else "")


def _instead(name: str) -> str:
    """The runner's setting for what it decides; empty where there is none."""
    plain = name.removeprefix(kit.PREFIX)
    process = plain.removesuffix("_ADDRESS").lower()
    if f"{PREFIX}{plain}" in known_settings():
        return f"{PREFIX}{plain}"
    return port_setting(process) if plain.endswith("_ADDRESS") and process in PROCESSES else ""


@cache
def settings_of(process: str) -> frozenset[str]:
    """The variables that a service or the gateway reads: those of the settings in its package."""
    found = vars(import_module(f"crm_{process}.settings")).values()
    kinds = [each for each in found if isinstance(each, type) and issubclass(each, kit.Settings)]
    return frozenset(f"{kit.PREFIX}{field.name.upper()}" for kind in kinds for field in msgspec.structs.fields(kind))
