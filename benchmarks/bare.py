"""The yardstick: the same call to the same sandbox in a bare loop of threads."""

import threading
import time

import httpx
from rig import IMP_KEY, IMP_SECRET


def bare_loop(url: str, calls: int, threads: int) -> dict[str, float]:
    """Calls per second, and CPU of this process per call."""
    with httpx.Client(base_url=url, timeout=30, limits=httpx.Limits(max_connections=threads)) as client:
        keys = {"imp_key": IMP_KEY, "imp_secret": IMP_SECRET}
        token = client.post("/users/getToken", json=keys).json()["response"]["access_token"]
        headers = {"Authorization": f"Bearer {token}"}
        numbers, lock = iter(range(calls)), threading.Lock()

        def work() -> None:
            while True:
                with lock:
                    number = next(numbers, None)
                if number is None:
                    return
                body = {"customer_uid": "ok-bare", "merchant_uid": f"bare{number}", "amount": 9900, "name": "Bench"}
                answer = client.post("/subscribe/payments/again", json=body, headers=headers).json()
                assert answer["response"]["status"] == "paid"

        workers = [threading.Thread(target=work) for _ in range(threads)]
        started, cpu = time.monotonic(), time.process_time()
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        elapsed = time.monotonic() - started
    return {
        "calls_per_second": round(calls / elapsed, 1),
        "cpu_ms": round(1000 * (time.process_time() - cpu) / calls, 3),
    }
