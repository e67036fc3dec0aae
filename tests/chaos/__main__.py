"""`python -m tests.chaos`: real processes behind a proxy, and a nemesis that kills, stops and cuts."""

import argparse
import json
import os
import random
import signal
import sys
from pathlib import Path

from tests.chaos.run import Wish, run, say

INTERRUPTED = 130


def main() -> int:
    """Run as the command line says; 0 only where nothing was violated and no number missed."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.chaos",
        description="Two beats, two workers, two receivers, Redis and PostgreSQL behind a fault-injecting proxy. They "
        "are killed, stopped and cut off for some minutes; then everything is healed, and the gateway's own ledger "
        "says whether a customer was charged twice or a period lost.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--minutes", type=float, default=8.0, help="how long the faults go on")
    parser.add_argument("--kills", type=int, default=100, help="the fewest processes to kill with SIGKILL")
    parser.add_argument("--charges", type=int, default=8000, help="the fewest payments in the gateway's ledger")
    parser.add_argument("--seed", type=int, help="of everything the nemesis does; printed (default: random)")
    parser.add_argument("--report", type=Path, default=Path("var/chaos.json"), help="where the report goes as JSON")
    wanted = parser.parse_args()
    if wanted.minutes <= 0 or wanted.kills < 0 or wanted.charges < 1:
        parser.error("--minutes and --charges must be above zero, and --kills not below")
    for name in [name for name in os.environ if name.startswith("BILLING_")]:
        del os.environ[name]  # a live gateway in the caller's environment: nothing here may go near it
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)  # as Ctrl-C: everything ends with us
    seed = random.SystemRandom().randrange(10**6) if wanted.seed is None else wanted.seed
    say(f"seed {seed}")
    try:
        report = run(Wish(wanted.minutes, wanted.kills, wanted.charges, seed))
    except KeyboardInterrupt:
        return INTERRUPTED
    wanted.report.parent.mkdir(parents=True, exist_ok=True)
    wanted.report.write_text(json.dumps(report.as_dict(), indent=2) + "\n")
    sys.stdout.write(report.text() + "\n")
    return 0 if report.good else 1


if __name__ == "__main__":
    sys.exit(main())
