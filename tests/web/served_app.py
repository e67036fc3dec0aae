"""Serves the application as a process, for the tests of how it starts and ends: HOST PORT [TOKEN]."""

import sys

from web_helpers import settings

from billing_worker import bootstrap, logs
from billing_worker.web import CONNECTIONS, create_app, serve


class Silent:
    """Rings no worker."""

    def ring(self, job: str, ident: str) -> None:
        """Nothing."""


logs.configure()
host, port, *token = sys.argv[1:]
# Nothing listens there: these tests need no database.
wanted = settings(database_url="postgresql://u:p@127.0.0.1:9/none", api_token=token[0] if token else "token")
ports, engine = bootstrap.build(wanted, role="web", connections=CONNECTIONS)
app = create_app(
    ports,
    wanted,
    Silent(),
    bootstrap.verify_pingback(wanted),
    check_database=lambda: bootstrap.check_database(engine),
)
serve(app, host, int(port))
