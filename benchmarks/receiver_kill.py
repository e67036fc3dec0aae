"""Kills the receiver repeatedly while hints are sent: each acknowledged hint must be in the inbox.

Starts PostgreSQL (fsync on), Redis and `billing-worker web`. Hints are sent as fast as they are answered; each
acknowledgement goes into a file. At random moments, about `--every` seconds apart, the receiver gets SIGKILL and is
started again.

    make bench-receiver-kill       or: .venv/bin/python benchmarks/receiver_kill.py --hints 1000000
"""

import argparse
import json
import os
import random
import signal
import sys
import time
from collections import Counter

from stage import Running, Stage, staged, wait_ready

from billing_worker.runtime import Supervisor

MOST_SECONDS = 4 * 3600.0
SLICE = 60.0
"""Seconds of load at a time, over several lives of the receiver."""


def main() -> int:
    """Run it; the exit status is 1 if a hint is lost."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hints", type=int, default=1_000_000, help="acknowledgements wanted (default a million)")
    parser.add_argument("--every", type=float, default=10.0, help="seconds between two kills, about (default 10)")
    parser.add_argument("--seed", type=int, default=1, help="of the moments and the hints (default 1)")
    parser.add_argument("--json", action="store_true", help="print figures as JSON")
    options = parser.parse_args()
    with staged() as stage:
        figures = kill(stage, options)
    if options.json:
        print(json.dumps(figures))
    else:
        print(", ".join(f"{name.replace('_', ' ')} {value}" for name, value in figures.items()))
    return 1 if figures["lost"] or figures["acknowledged"] < options.hints or not figures["kills"] else 0


def kill(stage: Stage, options: argparse.Namespace) -> dict[str, float]:
    """Send, kill, and count at the end. Each life of the receiver is of a random length."""
    moments, began, logs = random.Random(options.seed), time.monotonic(), stage.services.var_dir / "logs"
    acked, kills, statuses, seed = 0, 0, Counter[str](), 1000 * options.seed
    running: Running | None = None
    while acked < options.hints and time.monotonic() - began < MOST_SECONDS:
        # One supervisor per life: its pauses before a restart grow, and would be most of the time here.
        with Supervisor([stage.receiver()], lambda _: None, output_dir=logs) as supervisor:
            wait_ready(supervisor)
            end = time.monotonic() + moments.uniform(0.5, 1.5) * options.every
            while time.monotonic() < end and acked < options.hints:
                if running is None:
                    seed += 1
                    task = {"seed": seed, "rate": 0, "seconds": SLICE, "most": options.hints - acked}
                    running = stage.load(supervisor, stage.settings.web_port, **task)
                if not supervisor.run(until=lambda running=running, end=end: running.over or time.monotonic() >= end):
                    raise SystemExit("stopped by a signal")
                if running.over:
                    seen, running = running.read(), None
                    acked += seen["acks"]
                    statuses.update(seen["other"])
                    print(f"{acked} acknowledged, {kills} kills", file=sys.stderr, flush=True)
            if acked < options.hints:
                os.kill(supervisor.pids["web"], signal.SIGKILL)
                kills += 1
    elapsed = time.monotonic() - began
    counted, lost = stage.lost()
    assert counted == acked, "the file does not have the counted number"
    return {
        "acknowledged": acked,
        "kills": kills,
        "broken_off": statuses["0"],
        "lost": lost,
        "seconds": round(elapsed, 1),
    }


if __name__ == "__main__":
    sys.exit(main())
