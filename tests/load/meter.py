"""What processes cost: CPU seconds and resident memory, with all they started."""

import os
import platform
from dataclasses import dataclass
from pathlib import Path

import psutil

MEBIBYTE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU seconds by part of a program."""

    gateway: float
    service: float
    database: float

    @property
    def total(self) -> float:
        return self.gateway + self.service + self.database

    def since(self, before: "Cost") -> "Cost":
        """What was spent after `before`."""
        return Cost(self.gateway - before.gateway, self.service - before.service, self.database - before.database)

    def milliseconds_each(self, requests: int) -> "Cost":
        """Per request, in ms."""
        return Cost(*(1000 * part / requests for part in (self.gateway, self.service, self.database)))


def cpu_seconds(pid: int) -> float:
    """Of a process, of all below it, and of those below it that have ended."""
    root = psutil.Process(pid)
    seconds = 0.0
    for process in (root, *root.children(recursive=True)):
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            # Ended just now: its parent has its seconds.
            continue
        seconds += times.user + times.system + times.children_user + times.children_system
    return seconds


def resident_mebibytes(pid: int) -> float:
    """Memory that the process holds in RAM, shared pages included."""
    return psutil.Process(pid).memory_info().rss / MEBIBYTE


def peak_mebibytes(pid: int) -> float:
    """The most memory that the process ever held in RAM, shared pages included. Linux only."""
    status = Path(f"/proc/{pid}/status").read_text()
    kibibytes = next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(kibibytes) / 1024


def machine() -> dict[str, object]:
    """What figures depend on."""
    model = platform.processor()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line for line in cpuinfo.read_text().splitlines() if line.startswith("model name")]
        model = names[0].partition(":")[2].strip() if names else model
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 1024**3, 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "load_before": [round(each, 2) for each in os.getloadavg()],
    }
