"""Servers and processes of our own: embedded PostgreSQL and Redis, and a supervisor for the worker's processes.

Plain arguments in, plain values out: these modules do not use the settings or the rest of the package. A foreseeable
problem of the machine raises a RuntimeProblem with one line for the reader.
"""

from billing_worker.runtime.errors import RuntimeProblem
from billing_worker.runtime.postgres import EmbeddedPostgres
from billing_worker.runtime.process import Process
from billing_worker.runtime.redis import EmbeddedRedis
from billing_worker.runtime.supervisor import Supervisor
from billing_worker.runtime.waiting import free_port, port_is_free, wait_until

__all__ = [
    "EmbeddedPostgres",
    "EmbeddedRedis",
    "Process",
    "RuntimeProblem",
    "Supervisor",
    "free_port",
    "port_is_free",
    "wait_until",
]
