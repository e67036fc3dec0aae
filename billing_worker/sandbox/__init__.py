"""A stand-in for the PortOne REST API V1 and Paymentwall's pingbacks, run as its own process.

It is the independent judge of the worker: its ledger has the charges. It imports nothing else of billing_worker.

`world` is the state of the gateway, `v1` the API that merchants call, `control` the side door for tests and clerks,
`sending` the outgoing requests. `server` combines them; the modules that all rooms share (records, clock, wire, texts)
are beside it.
"""

from billing_worker.sandbox.clock import TimeMachine
from billing_worker.sandbox.latency import Quantiles
from billing_worker.sandbox.options import SandboxOptions
from billing_worker.sandbox.server import create_app, run

__all__ = ["Quantiles", "SandboxOptions", "TimeMachine", "create_app", "run"]
