"""Mistakes about Paymentwall keys: what confirms them, whose e-mail is sent, and what their issuing payment pays."""

from tests.planted.bug import bug

KEY = "billing_worker/domain/billing_key.py"
CONFIRM = "billing_worker/usecases/key/confirm.py"
APPLIED = "billing_worker/usecases/incoming/applied.py"
ISSUING = "billing_worker/usecases/charge/issuing_payment.py"
BEGIN = "billing_worker/usecases/charge/begin.py"
PAYS = "tests/usecases/test_the_issuing_payment.py"

BUGS = (
    bug(
        "unlock without read",
        "that PortOne has the key is enough, whatever became of its issuing payment",
        (CONFIRM, "seen is None or not _confirms(key, seen[0]) or not unlock(", "seen is None or not unlock("),
        catchers=(f"{PAYS}::test_neither_the_key_alone_nor_the_payment_alone_unlocks",),
    ),
    bug(
        "unlock without the key",
        "that its issuing payment is paid is enough, although PortOne does not have the key yet",
        (CONFIRM, "if reading.stored is None or seen is None or", "if seen is None or"),
        (CONFIRM, "    unlocked.show_card(reading.stored.card, moment.billing)\n", ""),
        catchers=(f"{PAYS}::test_neither_the_key_alone_nor_the_payment_alone_unlocks",),
    ),
    bug(
        "any e-mail",
        "the e-mail is not compared with that of the issuing payment",
        (
            KEY,
            "self.buyer_email is not None and self.buyer_email == self.issue.buyer_email",
            "True",
        ),
        catchers=(f"{PAYS}::test_another_email_than_the_issuing_payments_is_told_and_never_sent",),
    ),
    bug(
        "e-mail checked at the unlock only",
        "what is on the key when it is charged is sent, whatever it is by then",
        (BEGIN, "if issue is not None or not due.key.email_agrees:", "if issue is not None:"),
        catchers=(f"{PAYS}::test_no_path_leads_another_email_to_the_gateway",),
    ),
    bug(
        "issuing payment counted twice",
        "that it paid a period is not noted, and so it pays the next one, too",
        (
            ISSUING,
            "            use_issuing_payment(uow, key, IssueUse.COUNTED, owner, moment)\n            uow.invoices.ad",
            "            uow.invoices.ad",
        ),
        catchers=(f"{PAYS}::test_the_payment_pays_one_subscription_and_no_second_one",),
    ),
    bug(
        "first period charged twice",
        "the issuing payment is forgotten, and the first period is charged on top of it",
        (BEGIN, "issue = due.key.undecided_issue(due.subscription.id)", "issue = None"),
        catchers=(f"{PAYS}::test_a_subscription_that_waited_is_paid_by_the_payment_that_issued_its_key",),
    ),
)
