"""The second gateway's books behind HTTP, in a thread of the test."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.support.another_gateway.books import Answer, Books
from tests.support.another_gateway.schedules import Lost

SECRET = "another-secret-0123456789"


@contextmanager
def serving(books: Books) -> Iterator[str]:
    """Serve these books; gives the base URL."""

    class Handler(_Handler):
        served = books

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), name="another gateway")
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    """One connection."""

    served: Books

    def do_GET(self) -> None:
        """Serve a read."""
        self._serve({})

    def do_POST(self) -> None:
        """Serve a change."""
        self._serve(json.loads(self.rfile.read(int(self.headers["content-length"]))))

    def do_DELETE(self) -> None:
        """Serve a deletion."""
        self._serve({})

    def log_message(self, *_: Any) -> None:
        """Stay silent."""

    def _serve(self, fields: dict[str, Any]) -> None:
        try:
            status, answer = self._answer(fields)
        except Lost:
            return  # HTTP/1.0: the connection ends with the request
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _answer(self, fields: dict[str, Any]) -> Answer:
        if self.headers["authorization"] != f"PortOne {SECRET}":
            return 401, {"type": "UNAUTHORIZED"}
        url = urlsplit(self.path)
        place = [unquote(part) for part in url.path.strip("/").split("/")]
        if self.command == "DELETE":
            return _remove(self.served, place, parse_qs(url.query))
        if self.command == "POST":
            return _change(self.served, place, fields)
        return _read(self.served, place, parse_qs(url.query))


def _change(books: Books, place: list[str], fields: dict[str, Any]) -> Answer:
    match place:
        case "payments", payment_id, "billing-key":
            return books.pay(payment_id, fields)
        case "payments", payment_id, "instant":
            return books.pay_by_card(payment_id, fields)
        case ("billing-keys",):
            return books.store(fields["billingKey"], fields["card"])
        case "payments", payment_id, "cancel":
            return books.cancel(payment_id, fields)
        case "payments", payment_id, "schedule":
            return books.schedules.register(payment_id, fields)
    return 404, {"type": "NOT_FOUND"}


def _remove(books: Books, place: list[str], query: dict[str, list[str]]) -> Answer:
    match place:
        case "billing-keys", key:
            return books.delete(key)
        case ("payment-schedules",):
            return books.schedules.revoke(json.loads(query["requestBody"][0]))
    return 404, {"type": "NOT_FOUND"}


def _read(books: Books, place: list[str], query: dict[str, list[str]]) -> Answer:
    match place:
        case "billing-keys", key:
            return books.key(key)
        case ("payments",):
            return books.payments(json.loads(query["requestBody"][0]))
        case "payments", payment_id, "transactions":
            return books.transactions(payment_id)
        case ("payment-schedules",):
            return books.schedules.page(json.loads(query["requestBody"][0]))
        case "payment-schedules", schedule_id:
            return books.schedules.one(schedule_id)
    return 404, {"type": "NOT_FOUND"}
