"""What is done to answers that are whole: names beside ids, and without what the caller may not see."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import Message

from crm_kit.resource.concealing import concealing
from crm_kit.resource.hiding import without_archived
from crm_kit.resource.names import Names
from crm_kit.resource.withholding import Withholding

Run = Callable[[Any, Any], Awaitable[Message]]


@dataclass(frozen=True, slots=True)
class Showing:
    """Sees to answers that callers get, by whichever way."""

    names: Names
    withholding: Withholding

    def around(self, run: Run, response: type[Message]) -> Run:
        """The method of a servicer, with all that is seen to when its answer is whole."""
        run = without_archived(self.names.beside(run, response), response)
        return concealing(self.withholding.around(run, response), response)
