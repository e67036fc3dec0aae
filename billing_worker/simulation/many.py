"""Many seeds on all cores, each in its own world."""

import gc
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from itertools import islice

from billing_worker.simulation.fleet.swarm import Options
from billing_worker.simulation.run import Verdict, run


def run_many(seeds: Sequence[int], subscriptions: int, years: int, workers: int) -> Iterator[Verdict]:
    """The verdicts as they arrive. After a breach no further seed begins."""
    if workers == 1 or len(seeds) == 1:
        for seed in seeds:
            verdict = run_one(seed, subscriptions, years)
            yield verdict
            if verdict.breach:
                return
        return
    with ProcessPoolExecutor(max_workers=min(workers, len(seeds))) as pool:
        waiting = iter(seeds)
        running: set[Future[Verdict]] = set()
        broken = False
        while True:
            for seed in islice(waiting, 0 if broken else 2 * workers - len(running)):
                running.add(pool.submit(run_one, seed, subscriptions, years))
            if not running:
                return
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for each in done:
                verdict = each.result()
                broken = broken or verdict.breach is not None
                yield verdict


def run_one(seed: int, subscriptions: int, years: int) -> Verdict:
    """Run one seed, without collecting cycles: all objects live to the end anyway."""
    collects = gc.isenabled()
    gc.disable()
    try:
        return run(Options.drawn(seed, subscriptions, years))
    finally:
        if collects:
            gc.enable()
        gc.collect()
