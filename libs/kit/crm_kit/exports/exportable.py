"""How records are read that are exported: by the list of their collection, as callers reach it."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import Message

from crm_kit.jobs.calling import Changeable
from crm_kit.resource.values import DeclarationError
from crm_kit.rpc.methods import Method, Servicer, methods_of
from crm_kit.rpc.showing import Showing

Run = Callable[[Any, Any], Awaitable[Any]]


@dataclass(frozen=True, slots=True, eq=False)
class Exportable:
    """A collection whose records can be exported. `list` answers a page of them as its List rpc does."""

    on: Changeable
    request: type[Message]
    list: Run

    @property
    def collection(self) -> str:
        return self.on.collection


def exportables_among(
    changeable: Mapping[str, Changeable], servicers: Iterable[Servicer], showing: Showing
) -> dict[str, Exportable]:
    """The collections with jobs, each with its list."""
    lists = {
        method.name: (method, getattr(servicer, method.name))
        for servicer in servicers
        for method in methods_of(servicer.contract)
        if method.name.startswith("List")
    }
    return {name: _exportable(on, lists, showing) for name, on in changeable.items()}


def _exportable(on: Changeable, lists: Mapping[str, tuple[Method, Run]], showing: Showing) -> Exportable:
    name = "List" + "".join(part.capitalize() for part in on.collection.split("_"))
    if name not in lists:
        raise DeclarationError(f"{on.collection}: jobs export its records, and there is no rpc {name}")
    method, run = lists[name]
    return Exportable(on, method.request, showing.around(run, method.response))
