"""Write .env.example from the settings themselves, so that the file names each of them and nothing else.

python scripts/env_example.py > .env.example
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from billing_worker.config import Settings, variables  # noqa: E402 - the line above makes it importable
from billing_worker.config.names import PREFIX  # noqa: E402 - as above

HEAD = """\
# Settings of billing-worker.
#
#   cp .env.example .env      then fill in what you need, and keep .env out of version control
#
# A line that begins with # is not read. The text after = is the default; an empty one means "not set".
# To set a value, remove the # and write the value. `NAME=` without a value counts as not set.
# An environment variable wins over a line of this file.
#
# Written by scripts/env_example.py. Change the settings in billing_worker/config/, then run that script again."""

GROUPS: dict[str, tuple[str, ...]] = {
    "Database and broker. With neither set, `billing-worker up` starts its own; docker-compose.yml sets both": (
        "database_url",
        "broker_url",
        "broker_master_name",
        "broker_sentinel_password",
        "var_dir",
    ),
    "PortOne. With no key set, `billing-worker up` starts the sandbox instead": (
        "portone_imp_key",
        "portone_imp_secret",
        "portone_api_url",
        "portone_include_sandbox",
        "product_type",
    ),
    "Card page, on which customers give their cards in PortOne's window. With the sandbox, none is needed": (
        "imp_code",
        "card_page_url",
        "card_page_secret",
        "card_return_hosts",
        "portone_sdk_url",
        "paymentwall_widget_code",
    ),
    "Paymentwall, only if this worker receives its pingbacks": (
        "paymentwall_secret_key",
        "paymentwall_sign_version",
        "paymentwall_parameters",
        "paymentwall_test_key",
    ),
    "HTTP API, receiver and Flower": (
        "api_token",
        "card_entry",
        "web_host",
        "web_port",
        "webhook_allowed_ips",
        "trusted_proxies",
        "foreign_reads",
        "inbox_retention_days",
        "evidence_retention_days",
        "alerts_retention_days",
        "answers_retention_days",
        "flower_port",
    ),
    "Events that this worker sends to you": (
        "events_url",
        "events_secret",
        "events_allow_private",
        "events_disable_after",
        "events_retention_days",
    ),
    "Notices to customers; without a mail server and without an address, they hear nothing": (
        "notice_smtp_url",
        "notice_from",
        "notice_url",
        "notice_secret",
        "notice_kinds",
        "notice_language",
        "notice_quiet_hours",
        "notice_templates",
        "notice_card_pg",
    ),
    "Alerts to the operator; they are also in the events, the API, the command line and /metrics": (
        "alert_url",
        "alert_mail",
    ),
    "Billing": ("language", "timezone", "environment", "time_machine"),
    "Limits against our own mistakes: a charge beyond them waits until an operator clears it": (
        "budget_run",
        "budget_count",
        "budget_customer_day",
        "budget_jump",
        "audit_interval",
    ),
    "Size": ("worker_processes", "worker_concurrency", "scan_interval", "scan_limit", "catch_up_rate"),
    "Signs of the processes": ("alive_file", "silent_after"),
    "What PGs allow: a charge beyond it waits": ("pg_rates", "pg_monthly_uses", "pg_quiet_hours", "spread_hours"),
    "Shadow mode": ("shadow",),
    "Comparing both books": ("compare_interval",),
    "Billing keys that wait": ("key_pending_alert",),
    "Time limits of one charge, in real seconds. They are checked against each other at start": (
        "connect_timeout",
        "http_deadline",
        "lease",
        "claim",
        "resolve_first",
        "settle_window",
        "settle_windows",
    ),
}

COMPOSE = {
    "POSTGRES_PASSWORD": "Password of the database; only letters and digits, since it becomes part of a URL",
    "REDIS_PASSWORD": "Password of Redis; only letters and digits, since it becomes part of a URL",
    "FLOWER_BASIC_AUTH": "The login of Flower, as user:password",
}


def main() -> int:
    """Print the file."""
    print(text(), end="")
    return 0


def text() -> str:
    """The whole file. Raises ValueError for a setting that is in no group, or in two."""
    placed = sorted(name for names in GROUPS.values() for name in names)
    if placed != sorted(Settings.model_fields):
        raise ValueError(f"in no group, or in two: {sorted(set(placed) ^ set(Settings.model_fields))}")
    meaning = variables()
    parts = [HEAD]
    for title, names in GROUPS.items():
        parts.append(f"\n# --- {title} ---")
        parts += [_setting(name, meaning[PREFIX + name.upper()]) for name in names]
    parts.append(
        "\n# --- docker-compose.yml only. All three are needed there, and BILLING_API_TOKEN; "
        "`openssl rand -hex 24` makes one ---"
    )
    parts += [f"\n# {what}\n{name}=" for name, what in COMPOSE.items()]
    return "\n".join(parts) + "\n"


def _setting(name: str, meaning: str) -> str:
    return f"\n# {meaning}\n#{PREFIX}{name.upper()}={_default(name)}"


def _default(name: str) -> str:
    value = Settings.model_fields[name].default
    match value:
        case None | ():
            return ""
        case bool():
            return str(value).lower()
        case _:
            return str(value)


if __name__ == "__main__":
    sys.exit(main())
