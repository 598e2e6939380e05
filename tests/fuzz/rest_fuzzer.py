"""REST fuzzed by schemathesis from the OpenAPI document that the gateway serves."""

import asyncio
import os
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

ROOT = Path(__file__).resolve().parents[2]
CHECKS = (
    "not_a_server_error",
    "content_type_conformance",
    "response_schema_conformance",
    "nothing_leaks",
    "errors_are_problems",
    "access_is_kept",
)
PHASES = "examples,coverage,fuzzing"
# The first moves the tenant's clock to where no date can be written, the second ends the session that fuzzes, and the
# answer of the third does not end.
SPARED = ("AdvanceTestClock", "RevokeToken", "StreamEvents")
# Time for starting and for telling, beyond the time for fuzzing.
GRACE_SECONDS = 300.0
FIRST = 3
MAX_FAILURES = 60


@dataclass
class RestFindings:
    """What schemathesis did and found."""

    calls: int = 0
    operations: int = 0
    statuses: Counter[str] = field(default_factory=Counter)
    accepted: set[str] = field(default_factory=set)
    failed: Counter[str] = field(default_factory=Counter)
    failures: list[dict[str, Any]] = field(default_factory=list)
    told: str = ""


async def fuzz_rest(url: str, token: str, *, seconds: float, seed: int, folder: Path) -> RestFindings:
    """Run schemathesis on `url` for about `seconds`."""
    events = folder / "rest.ndjson"
    command = [str(Path(sys.executable).with_name("schemathesis")), "run", f"{url}/openapi.json", "--url", url]
    command += ["--max-time", str(max(1, int(seconds))), "--phases", PHASES, "--checks", ",".join(CHECKS)]
    command += ["--seed", str(seed), "--no-shrink", "--generation-database", "none", "--continue-on-failure"]
    command += ["--suppress-health-check", "all", "--warnings", "off", "--no-color", "--request-timeout", "20"]
    command += ["--header", f"Authorization: Bearer {token}"]
    command += ["--report", "ndjson", "--report-ndjson-path", str(events)]
    for name in SPARED:
        command += ["--exclude-operation-id", name]
    variables = os.environ | {"SCHEMATHESIS_HOOKS": "tests.fuzz.rest_checks", "PYTHONPATH": str(ROOT)}
    variables |= {"NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=folder,
        env=variables,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        output, _ = await asyncio.wait_for(process.communicate(), seconds + GRACE_SECONDS)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return read_findings(events, output.decode(errors="replace"), process.returncode or 0)


def read_findings(events: Path, output: str, code: int) -> RestFindings:
    """What the run's report says."""
    found = RestFindings(told=output[-6000:])
    if code not in {0, 1} or not events.exists():
        found.failed["schemathesis itself"] += 1
        found.failures.append({"operation": "schemathesis", "told": output[-3000:]})
        return found
    for line in events.read_bytes().splitlines():
        read_event(orjson.loads(line), found)
    return found


def read_event(event: Any, found: RestFindings) -> None:
    """Count what one line of the report tells."""
    if "LoadingFinished" in event:
        found.operations = event["LoadingFinished"]["statistic"]["operations"]["selected"]
    for name in ("FatalError", "NonFatalError"):
        if name in event:
            found.failed[f"schemathesis: {name}"] += 1
            found.failures.append({"operation": "schemathesis", "told": str(event[name])[:2000]})
    recorder = event.get("ScenarioFinished", {}).get("recorder", {})
    label = recorder.get("label", "")
    exchanges = recorder.get("interactions", {})
    for exchange in exchanges.values():
        found.calls += 1
        status = str((exchange.get("response") or {}).get("status_code", "none"))
        found.statuses[status] += 1
        if status.startswith("2"):
            found.accepted.add(label)
    for case, checks in recorder.get("checks", {}).items():
        for check in checks:
            if check["status"] == "failure":
                note_failure(found, label, check, exchanges.get(case))


def note_failure(found: RestFindings, label: str, check: Any, exchange: Any) -> None:
    """Count a failed check; the first of each kind are kept with all that was sent and answered."""
    what = f"{label} {check['name']}"
    found.failed[what] += 1
    if found.failed[what] <= FIRST and len(found.failures) < MAX_FAILURES:
        told = str(check.get("failure_info") or check.get("failure") or check)[:3000]
        found.failures.append({"operation": label, "check": check["name"], "told": told, "exchange": exchange})
