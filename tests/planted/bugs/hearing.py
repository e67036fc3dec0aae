"""Mistakes in what customers hear, and when."""

from tests.planted.bug import bug

TRUTH = "billing_worker/domain/notices/truth.py"
DELIVER = "billing_worker/usecases/notice/deliver.py"
SMTP = "billing_worker/adapters/notices/smtp.py"
HEARS = "tests/notices/test_what_a_customer_hears.py"
MAIL = "tests/notices/test_notices_leave_by_mail.py"
NEVER = "tests/notices/test_notices_never_contradict.py::test_what_a_customer_hears_is_true_and_never_contradicts"

BUGS = (
    bug(
        "a failure is told while the outcome is unknown",
        "a notice of a failure leaves while a later attempt of its invoice is open",
        (TRUTH, "    if locked.has_open_attempt:\n", "    if False:\n"),
        catchers=(NEVER,),
    ),
    bug(
        "a failure is told after the payment",
        "the state of the invoice is not compared when a notice of a failure leaves",
        (TRUTH, '        return Drop(f"the invoice is {invoice.status}")\n', "        return Send()\n"),
        catchers=(
            f"{HEARS}::test_a_failure_that_was_not_told_before_the_payment_is_dropped_and_so_is_the_recovery",
            NEVER,
        ),
    ),
    bug(
        "every failure of an outage is told",
        "a notice leaves although another try came after it",
        (TRUTH, '        return Drop("another try, or another card, came after it")\n', "        return Send()\n"),
        catchers=(f"{HEARS}::test_after_an_outage_of_the_receiver_only_the_newest_failure_is_told",),
    ),
    bug(
        "a recovery from no failure",
        "a recovery is told although the customer heard of no failure",
        (TRUTH, "return Send() if warned else Drop", "return Send() if True else Drop"),
        catchers=(f"{HEARS}::test_a_failure_that_was_not_told_before_the_payment_is_dropped_and_so_is_the_recovery",),
    ),
    bug(
        "a refusal forgets the delivery before",
        "after a delivery without an answer, a clear refusal says that nothing arrived",
        (DELIVER, "refusal.unclear or sending.before", "refusal.unclear"),
        catchers=(f"{HEARS}::test_a_clear_refusal_does_not_forget_that_an_earlier_delivery_perhaps_arrived",),
    ),
    bug(
        "a recovery overtakes",
        "a recovery leaves while the failure before it is still being sent",
        (DELIVER, "if each.is_sent_now(real_now) or not _is_untrue(matter, each)", "if not _is_untrue(matter, each)"),
        catchers=(f"{HEARS}::test_a_recovery_waits_for_the_failure_that_is_being_sent",),
    ),
    bug(
        "mail in the night",
        "the quiet hours are not waited out",
        (DELIVER, "quiet.ends(real_now) if quiet is not None else None", "None"),
        catchers=(
            f"{HEARS}::test_quiet_hours_are_waited_out_and_what_was_paid_meanwhile_is_not_told",
            "tests/notices/test_a_month_of_notices.py::test_a_month_of_declines_and_recoveries",
            NEVER,
        ),
    ),
    bug(
        "a switch that switches nothing",
        "the plan's switches are not asked",
        ("billing_worker/usecases/notice/matter.py", "if not switches_of_plan(", "if False and not switches_of_plan("),
        catchers=(f"{HEARS}::test_a_plan_says_what_its_customers_hear",),
    ),
    bug(
        "retries by hand are told again",
        "the step of a failure counts attempts, not declines that spent a step",
        (
            "billing_worker/domain/notices/written.py",
            '    return step_of(int(str(event.data["declines"] or 0)),',
            '    return step_of(hash(event.data.get("attempt_id")) % 10**9,',
        ),
        catchers=(f"{HEARS}::test_each_step_of_dunning_is_told_once_and_its_end",),
    ),
    bug(
        "each repeat is a new mail",
        "the Message-ID is made anew for every delivery",
        (SMTP, 'f"<{ident}@{self.sender.domain}>"', 'f"<{ident}.{id(mail)}@{self.sender.domain}>"'),
        catchers=(f"{MAIL}::test_a_mail_has_its_text_its_html_and_an_id_by_which_a_repeat_is_known",),
    ),
    bug(
        "a password in the clear",
        "the account is used over a connection without TLS",
        (SMTP, "not in LOOPBACK or self._server.user is not None", "not in LOOPBACK"),
        catchers=(f"{MAIL}::test_a_password_never_leaves_in_the_clear_and_is_never_shown",),
    ),
    bug(
        "a product's name is markup",
        "the HTML of a mail is not escaped",
        ("billing_worker/texts/notices/wording.py", 'select_autoescape(("html",))', 'select_autoescape(("xml",))'),
        catchers=(f"{MAIL}::test_a_product_with_html_in_its_name_stays_text",),
    ),
    bug(
        "a channel well again and still without notices",
        "a mail server that takes mail again gets the refused notices hours later",
        (
            "billing_worker/usecases/notice/deliver.py",
            "            uow.notices.resume(notice.channel, moment.real)\n",
            "            pass\n",
        ),
        catchers=(f"{HEARS}::test_a_channel_that_is_well_again_sends_all_that_is_true_within_minutes",),
    ),
    bug(
        "no probe while all notices wait",
        "a channel that is down is asked only when a refused notice is due again",
        ("billing_worker/usecases/notice/deliver.py", "if allowed and not claimed and endpoint.is_down:", "if False:"),
        catchers=(f"{HEARS}::test_a_channel_that_is_well_again_sends_all_that_is_true_within_minutes",),
    ),
)
