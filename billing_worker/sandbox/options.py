"""The options of a sandbox at start: one frozen value, without the environment."""

from dataclasses import dataclass
from pathlib import Path

from billing_worker.sandbox.clock import TimeMachine
from billing_worker.sandbox.latency import Quantiles


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxOptions:
    """All options of a sandbox.

    The switches at the end stand for facts about the real gateway that are undocumented or contradictory: a client
    should work under every setting.
    """

    host: str = "127.0.0.1"
    port: int = 8900
    ledger: Path | None = None  # None: the books are kept in memory only
    imp_key: str = "imp_key_sandbox"
    imp_secret: str = "imp_secret_sandbox"  # noqa: S105 - an invented secret, printed in the docs
    token_lifetime: float = 1800.0  # documented: 30 minutes

    webhook_url: str | None = None
    webhook_format: str = "json"  # json | form: a setting of the real console
    webhook_attempts: int = 1  # documented: one send; up to 1 + 5 by request
    webhook_interval: float = 60.0  # documented: a minute apart

    pingback_url: str | None = None
    pingback_secret: str = "pingback_secret_sandbox"  # noqa: S105 - as imp_secret
    pingback_test_secret: str = "pingback_test_secret_sandbox"  # noqa: S105 - Brick's private test key, invented too
    pingback_version: int = 3
    pingback_interval: float = 1800.0  # documented: every 30 minutes until OK
    confirm_after: float = 2.0  # real seconds until Paymentwall confirms a new key

    latency: Quantiles | None = None
    slow_seconds: float = 70.0  # clients are advised to wait 60 seconds: `slow` is slower than that
    late_after: float = 120.0  # virtual seconds until a late approval or a net-cancel happens
    time_machine: TimeMachine | None = None
    seed: int = 1
    requests_kept: int = 20_000

    open_keys: bool = True  # a customer_uid that names a behaviour needs no issuing
    control_from_anywhere: bool = False  # /_sandbox answers loopback only, unless this is set
    serialised: bool = False  # True: equal merchant_uids wait for each other, as a lock in the gateway would do
    failed_blocks: bool = False  # True: a merchant_uid of a failed payment is refused as well
    long_merchant_uid: str = "truncate"  # truncate | refuse | accept, for ids over 40 characters
    test_channel: bool = False  # True: payments are test payments, hidden unless include_sandbox=true
    customers_404: bool = True  # False: an unknown customer_uid answers 200 with code 1, as seen in old live tests
    schedule_shape: str = "paged"  # paged | array: specification and live clients disagree
    rate_limit: int | None = None  # calls per second before 429; None: no limit is documented
