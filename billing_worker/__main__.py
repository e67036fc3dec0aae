"""`python -m billing_worker` is the command `billing-worker`."""

from billing_worker.cli.main import run

run()
