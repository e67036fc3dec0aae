"""Fill an empty database with a portfolio that has grown: what every scan and every report must stay fast on.

    .venv/bin/python benchmarks/fill.py --database postgresql://…/empty --subscriptions 1000000

Each subscription has a key of its own, one paid invoice with its merchant_uid and its attempt, the gateway's answer as
evidence, an event and a webhook. Their times are spread evenly over the last 30 days. The last `--due` subscriptions
are due: their next period began within the last five minutes, so that they are not late.

The rows are written by COPY, 20,000 subscriptions a transaction. Memory stays below 100 MB for any number. A row costs
about 5 kB of disk with its indexes, and a million take about five minutes. COPY runs with triggers and foreign keys off
(`session_replication_role`), so the role must be a superuser. Afterwards the totals are counted, and all tables are
vacuumed and analyzed.

The command refuses a database that holds a row, and a disk that is too small where it can see it. If it is cut off, the
database is half full: drop it and begin again.
"""

import argparse
import json
import shutil
import sys
import time
from base64 import b32encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from pathlib import Path

import psycopg
from psycopg import sql

from billing_worker import bootstrap
from billing_worker.adapters.database.engine import open_engine
from billing_worker.adapters.database.tables.schema import metadata

AT_ONCE = 20_000
"""Subscriptions a transaction."""
MOST = 10_000_000
BYTES_EACH = 6_000
SPREAD = timedelta(days=30)
DUE_WITHIN = timedelta(minutes=5)
AMOUNT = 9_900
PLAN = "plan_0000000000000001"
POLICY = "filled@1"

Tell = Callable[[str], None]

_LETTERS = bytes.maketrans(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", b"0123456789abcdefghjkmnpqrstvwxyz")

_ANSWER = {
    "code": 0,
    "message": None,
    "response": {
        "amount": AMOUNT, "apply_num": "30000001", "bank_code": None, "bank_name": None, "buyer_addr": None,
        "buyer_email": None, "buyer_name": None, "buyer_postcode": None, "buyer_tel": None, "cancel_amount": 0,
        "cancel_history": [], "cancel_reason": None, "cancel_receipt_urls": [], "cancelled_at": 0,
        "card_code": "361", "card_name": "BC", "card_number": "411111******1111", "card_quota": 0, "card_type": 0,
        "cash_receipt_issued": False, "channel": "api", "currency": "KRW", "custom_data": None,
        "customer_uid": "@C", "customer_uid_usage": "payment", "emb_pg_provider": None, "escrow": False,
        "fail_reason": None, "failed_at": 0, "imp_uid": "@I", "merchant_uid": "@M", "name": "subscription",
        "paid_at": 1764547200, "pay_method": "card", "pg_id": "nictest04m", "pg_provider": "nice",
        "pg_tid": "nictest04m01162511291200100001", "receipt_url": "https://npg.nicepay.co.kr/issue/@I",
        "started_at": 1764547200, "status": "paid", "user_agent": "sorry_not_supported_anymore",
        "vbank_code": None, "vbank_date": 0, "vbank_holder": None, "vbank_issued_at": 0, "vbank_name": None,
    },
}  # fmt: skip
_BODY = json.dumps(_ANSWER)

COLUMNS = {
    "billing_keys": "id customer_uid pg_provider status created_at activated_at looks",
    "subscriptions": "id plan_id billing_key_id customer status anchor next_period_index next_period_start created_at"
    " cancel_at_period_end",
    "invoices": "id subscription_id billing_key_id period_index period_start period_end amount currency status"
    " merchant_uid generation created_at attempts declines failures fence closed_at awaits_key dunning_policy",
    "merchant_uids": "merchant_uid invoice_id generation",
    "payment_attempts": "id invoice_id number merchant_uid billing_key_id amount currency status fence started_at"
    " lease_until looks refused imp_uid surplus evidence_id closed_at",
    "evidence": "id attempt_id source request http_status body received_at",
    "event_streams": "id last_sequence",
    "outbox": "id sequence type subject_id data occurred_at next_try_at tries delivered_at stream_id stream_sequence"
    " version fence replays",
    "inbox": "id source dedupe_key payload status received_at next_try_at tries deliveries closed_at subject_id",
}
"""What is written, in this order; all other columns keep their defaults."""
NUMBERED = {"evidence": "id", "outbox": "sequence", "inbox": "id"}


@dataclass(frozen=True, slots=True)
class Portfolio:
    """What to fill a database with."""

    subscriptions: int
    due: int
    now: datetime
    delivered: bool = True
    """Whether the merchant has taken the events; else they wait, as they do where no receiver is named."""
    due_at: datetime | None = None
    """When those that are due are due, all at once; None: spread over the last five minutes."""
    card: str = "bench"
    """The first part of each customer_uid: for the sandbox it is the card's behaviour."""


def main() -> int:
    """Fill the database that is named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--database", required=True, help="URL of an empty database, as BILLING_DATABASE_URL has it")
    parser.add_argument("--subscriptions", type=_number, default=10_000, help=f"1 to {MOST:,} (default 10,000)")
    parser.add_argument("--due", type=_number, default=1_000, help="how many of them are due (default 1,000)")
    parser.add_argument("--undelivered", action="store_true", help="let all events wait for a receiver")
    options = parser.parse_args()
    portfolio = Portfolio(options.subscriptions, options.due, datetime.now(UTC), not options.undelivered)
    try:
        fill(options.database, portfolio, print)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def fill(url: str, portfolio: Portfolio, tell: Tell) -> None:
    """Bring the tables up to this release and fill them. Raises ValueError where it must not begin."""
    if not 0 <= portfolio.due <= portfolio.subscriptions <= MOST:
        raise ValueError(f"at most {MOST:,} subscriptions, and no more due than there are")
    engine = open_engine(url, pool_size=1, application="fill")
    bootstrap.upgrade_database(engine)
    engine.dispose()
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        _refuse(connection, portfolio)
        connection.execute("SET statement_timeout = 0")
        connection.execute("SET session_replication_role = replica")
        _copy(connection, portfolio, tell)
        _finish(connection, tell)


def _number(text: str) -> int:
    return int(text.replace(",", "").replace("_", ""))


def _refuse(connection: psycopg.Connection, portfolio: Portfolio) -> None:
    for table in metadata.tables:
        found = connection.execute(sql.SQL("SELECT EXISTS (SELECT FROM {})").format(sql.Identifier(table))).fetchone()
        if found and found[0]:
            raise ValueError(f"the database is not empty: table {table} holds rows; name an empty one")
    place = connection.execute("SELECT current_setting('data_directory')").fetchone()
    if place and Path(place[0]).exists():
        free, needed = shutil.disk_usage(place[0]).free, portfolio.subscriptions * BYTES_EACH
        if needed > free:
            raise ValueError(f"about {needed / 1e9:.0f} GB are needed at {place[0]}, and {free / 1e9:.0f} GB are free")


def _copy(connection: psycopg.Connection, portfolio: Portfolio, tell: Tell) -> None:
    began = time.monotonic()
    connection.execute(
        "INSERT INTO dunning_policies (id, name, version, definition, created_at) VALUES (%s, 'filled', 1, %s, %s)",
        (POLICY, json.dumps({"steps": ["1d", "3d", "5d", "7d"]}), portfolio.now - SPREAD),
    )
    connection.execute(
        "INSERT INTO plans (id, name, amount, currency, interval_unit, interval_count, timezone, dunning_policy,"
        " created_at, catch_up_mode, catch_up_max_age) VALUES (%s, 'Filled', %s, 'KRW', 'month', 1, 'Asia/Seoul',"
        " 'filled', %s, 'bill_all', 90)",
        (PLAN, AMOUNT, portfolio.now - SPREAD),
    )
    for first in range(0, portfolio.subscriptions, AT_ONCE):
        numbers = range(first, min(first + AT_ONCE, portfolio.subscriptions))
        lines: dict[str, list[str]] = {table: [] for table in COLUMNS}
        for number in numbers:
            for table, line in _rows(number, portfolio):
                lines[table].append(line)
        with connection.transaction(), connection.cursor() as cursor:
            for table, columns in COLUMNS.items():
                names = sql.SQL(", ").join(map(sql.Identifier, columns.split()))
                with cursor.copy(sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier(table), names)) as copy:
                    copy.write("".join(lines[table]))
        if numbers.stop % (5 * AT_ONCE) == 0 or numbers.stop == portfolio.subscriptions:
            tell(f"{numbers.stop:,} of {portfolio.subscriptions:,} subscriptions, {time.monotonic() - began:.0f} s")


def _finish(connection: psycopg.Connection, tell: Tell) -> None:
    for table, column in NUMBERED.items():
        connection.execute(
            f"SELECT setval(pg_get_serial_sequence('{table}', '{column}'), max({column})) FROM {table}"  # noqa: S608 - our own names
        )
    found = connection.execute("SELECT to_regproc('recount_invoices')").fetchone()
    if found and found[0] is not None:
        tell("counting the totals")
        connection.execute("SELECT recount_invoices()")
    tell("vacuum and analyze")
    connection.execute("VACUUM (ANALYZE)")
    row = connection.execute("SELECT pg_database_size(current_database())").fetchone()
    tell(f"{row[0] / 1e6 if row else 0:,.0f} MB")


def _ident(prefix: str, number: int) -> str:
    """An id as ours are: it looks random, and is the same each time."""
    drawn = blake2b(f"{prefix}{number}".encode(), digest_size=10).digest()
    return f"{prefix}_{b32encode(drawn).translate(_LETTERS).decode()}"


def _rows(number: int, portfolio: Portfolio) -> Iterator[tuple[str, str]]:
    """The rows of one subscription, as COPY reads them."""
    sub, key, inv, att = (_ident(prefix, number) for prefix in ("sub", "key", "inv", "att"))
    uid, imp, customer_uid = payment_of(number, portfolio)
    paid, start, following = (moment.isoformat() for moment in times_of(number, portfolio))
    event = {
        "id": inv, "status": "paid", "subscription_id": sub, "customer": f"customer-{number}", "plan_id": PLAN,
        "billing_key_id": key, "invoice_id": inv, "merchant_uid": uid, "attempt_id": att, "imp_uid": imp,
        "amount": AMOUNT, "currency": "KRW", "period_start": start, "period_end": following,
    }  # fmt: skip
    delivered = paid if portfolio.delivered else r"\N"
    hint = json.dumps({"imp_uid": imp, "merchant_uid": uid, "status": "paid"})
    body = _BODY.replace("@I", imp).replace("@M", uid).replace("@C", customer_uid)
    values: dict[str, tuple[object, ...]] = {
        "billing_keys": (key, customer_uid, "nice_v2", "active", start, start, 0),
        "subscriptions": (sub, PLAN, key, f"customer-{number}", "active", start, 1, following, start, "f"),
        "invoices": (inv, sub, key, 0, start, following, AMOUNT, "KRW", "paid", uid, 1, paid, 1, 0, 0, 0, paid, "f",
            POLICY),
        "merchant_uids": (uid, inv, 1),
        "payment_attempts": (att, inv, 1, uid, key, AMOUNT, "KRW", "approved", 0, paid, paid, 0, "f", imp, "f",
            number + 1, paid),
        "evidence": (number + 1, att, "portone.v1", "POST /subscribe/payments/again", 200, body, paid),
        "event_streams": (sub, 1),
        "outbox": (_ident("evt", number), number + 1, "invoice.paid", inv, json.dumps(event), paid, paid, 1, delivered,
            sub, 1, 1, 0, 0),
        "inbox": (number + 1, "portone", f"{imp}:paid", hint, "applied", paid, paid, 1, 1, paid, inv),
    }  # fmt: skip
    for table, row in values.items():
        yield table, "\t".join(map(str, row)) + "\n"


def payment_of(number: int, portfolio: Portfolio) -> tuple[str, str, str]:
    """The merchant_uid, the imp_uid and the customer_uid of the payment of the first period."""
    uid = f"bw{_ident('sub', number)[4:]}p00000g01"
    return uid, f"imps_f{number:011d}", f"{portfolio.card}-{number}"  # no imp_uid that a sandbox draws has an f


def times_of(number: int, portfolio: Portfolio) -> tuple[datetime, datetime, datetime]:
    """When it was paid, and when its first and its next period begin."""
    share = number / portfolio.subscriptions
    paid = portfolio.now - SPREAD + share * (SPREAD - DUE_WITHIN)
    start, place = paid - timedelta(seconds=2), number - (portfolio.subscriptions - portfolio.due)
    following = paid + timedelta(days=31)
    if place >= 0:
        spread = portfolio.now - DUE_WITHIN * ((portfolio.due - place) / (portfolio.due + 1))
        following = portfolio.due_at or spread
    # A due one was paid long ago as well: else its period would end before it begins.
    start = min(start, following - SPREAD) if place >= 0 else start
    return paid, start, following


if __name__ == "__main__":
    sys.exit(main())
