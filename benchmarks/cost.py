"""What processes use of this machine: CPU and memory, read from /proc."""

import os
from collections.abc import Mapping
from pathlib import Path

from billing_worker.runtime import Supervisor

TICKS = os.sysconf("SC_CLK_TCK")


class Meter:
    """CPU seconds of supervised processes and of servers, through kills and restarts."""

    def __init__(self, supervisor: Supervisor, servers: Mapping[str, int]) -> None:
        self._supervisor, self._servers = supervisor, dict(servers)
        self._before: dict[int, float] = {pid: cpu_of(pid) for pid in self.pids.values()}
        self._ended: dict[str, float] = {}

    @property
    def pids(self) -> dict[str, int]:
        """The pid of each process that runs now."""
        return self._supervisor.pids | self._servers

    def ends(self, name: str) -> None:
        """Note what a process has used, right before it is killed."""
        self._ended[name] = self._ended.get(name, 0.0) + self._used(self.pids[name])

    def read(self) -> dict[str, float]:
        """CPU seconds of each since the start of this meter."""
        running = {name: self._used(pid) for name, pid in self.pids.items()}
        return {name: running.get(name, 0.0) + self._ended.get(name, 0.0) for name in running | self._ended}

    def _used(self, pid: int) -> float:
        return max(0.0, cpu_of(pid) - self._before.get(pid, 0.0))


def servers() -> dict[str, int]:
    """PostgreSQL and Redis, as far as they are our own children."""
    return {name: child_running(name) for name in ("postgres", "redis-server")}


def child_running(program: str) -> int:
    """The pid of our own child process that runs this program."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
            if program in line and parent == os.getpid():
                return int(entry.name)
    raise SystemExit(f"no child process runs {program}: does a URL of the environment name another server?")


def cpu_of(pid: int) -> float:
    """CPU seconds of a process and of all its descendants, living and reaped."""
    children, stats = _processes()
    return sum(sum(stats.get(number, (0, 0))) for number in _below(pid, children)) / TICKS


def resident(pid: int) -> float:
    """Megabytes of memory of a process and of all its descendants. What they share counts once (PSS)."""
    return sum(_shared_out(number) for number in _below(pid, _processes()[0])) / 1024


def memory(pid: int, field: str) -> float:
    """Megabytes of a process: VmRSS now, VmHWM at its highest."""
    lines = (Path("/proc") / str(pid) / "status").read_text().splitlines()
    (line,) = [line for line in lines if line.startswith(field + ":")]
    return round(int(line.split()[1]) / 1024, 1)


def _processes() -> tuple[dict[int, list[int]], dict[int, tuple[int, int]]]:
    """The children of each process; its ticks, its own and those of what it has reaped."""
    children: dict[int, list[int]] = {}
    stats: dict[int, tuple[int, int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            number = int(entry.name)
            children.setdefault(int(fields[1]), []).append(number)
            stats[number] = (int(fields[11]) + int(fields[12]), int(fields[13]) + int(fields[14]))
    return children, stats


def _below(pid: int, children: Mapping[int, list[int]]) -> list[int]:
    found, todo = [], [pid]
    while todo:
        number = todo.pop()
        found.append(number)
        todo += children.get(number, [])
    return found


def _shared_out(pid: int) -> int:
    """Kilobytes; 0 for a process that has ended."""
    try:
        lines = (Path("/proc") / str(pid) / "smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
