"""Feed a parser with garbled input: PortOne's answers, PortOne's webhooks (hints), Paymentwall's pingbacks.

python -m tests.fuzz --of hints --inputs 1000000 --seed 1
"""

import argparse
import multiprocessing
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed

from tests.fuzz.chunk import Result, fuzzed
from tests.fuzz.targets import TARGETS

CHUNK = 5_000
PROCESSES = 2
SHOWN_EVERY = 10.0


def main() -> int:
    """Run it; exit status 1 where an input did what none may do."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("--inputs", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--of", choices=TARGETS, default="answers")
    wanted = parser.parse_args()
    began, total = time.monotonic(), Result()
    for result in _chunks(wanted.inputs, wanted.seed, wanted.of):
        total.inputs += result.inputs
        total.slowest = max(total.slowest, result.slowest)
        total.failures += result.failures
    rate = total.inputs / (time.monotonic() - began)
    print(
        f"{total.inputs} {wanted.of} with seed {wanted.seed}, {rate:,.0f}/s;"
        f" the slowest took {total.slowest * 1000:.1f} ms"
    )
    if total.failures:
        print(f"{len(total.failures)} did what none may do. For tests/fuzz/regressions.py:")
        print("\n".join(sorted(total.failures, key=len)[:5]))
    return 1 if total.failures else 0


def _chunks(inputs: int, seed: int, of: str) -> Iterator[Result]:
    sizes = [min(CHUNK, inputs - start) for start in range(0, inputs, CHUNK)]
    with ProcessPoolExecutor(PROCESSES, mp_context=multiprocessing.get_context("spawn")) as pool:
        running = [pool.submit(fuzzed, seed, chunk, size, of) for chunk, size in enumerate(sizes)]
        began = shown = time.monotonic()
        for number, done in enumerate(as_completed(running), 1):
            yield done.result()
            if time.monotonic() - shown > SHOWN_EVERY:
                shown = time.monotonic()
                print(f"  {number * CHUNK} of {inputs}, {number * CHUNK / (shown - began):,.0f}/s", flush=True)


if __name__ == "__main__":
    sys.exit(main())
