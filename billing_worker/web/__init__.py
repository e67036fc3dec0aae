"""The receiver of webhooks and pingbacks, and the HTTP API, in one application."""

from billing_worker.web.app import CONNECTIONS, create_app
from billing_worker.web.server import serve

__all__ = ["CONNECTIONS", "create_app", "serve"]
