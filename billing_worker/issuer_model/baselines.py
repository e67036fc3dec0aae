"""Plans to compare a policy with: fixed ones that others ship, and our default. Waits count from the decline before."""

from collections.abc import Mapping

from billing_worker.domain.dunning.policy import DEFAULT, DunningPolicy, days

BASELINES: Mapping[str, DunningPolicy] = {
    "8-8-8": days(8, 8, 8),
    "2-5-7-7": days(2, 5, 7, 7),
    "d+1-3-5-10-14": days(1, 2, 2, 5, 4),
    "default": DEFAULT,
}
"""Kill Bill's payment retries, Polar's, and StepPay's days after the first decline (peers.md, rows 32 and C, Korea);
the default of this release."""
