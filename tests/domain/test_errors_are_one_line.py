import pytest

from billing_worker.domain.errors import (
    LONGEST_ECHO,
    BillingError,
    Conflict,
    InvalidInput,
    InvalidTransition,
    NotFound,
    SettingsInvalid,
    SignatureInvalid,
    Unavailable,
)


@pytest.mark.parametrize(
    "error",
    [
        InvalidInput("amount", 0, "must be positive"),
        NotFound("plan", "plan_1"),
        Conflict("a subscription uses this plan", field="plan"),
        InvalidTransition("invoice", "inv_1", "paid", "open"),
        SettingsInvalid("BILLING_TIMEZONE: is missing"),
        SignatureInvalid("the signature is wrong"),
        Unavailable("the database does not answer"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_every_error_is_a_billing_error_with_one_line_of_text(error):
    assert isinstance(error, BillingError)
    assert str(error)
    assert "\n" not in str(error)


def test_invalid_input_keeps_field_value_and_problem_apart():
    error = InvalidInput("amount", 0, "must be positive")
    assert (error.field, error.value, error.problem) == ("amount", 0, "must be positive")
    assert str(error) == "amount: must be positive (got 0)"


def test_invalid_input_that_was_not_given_shows_no_value():
    assert str(InvalidInput("yes", None, "is needed here")) == "yes: is needed here"


def test_invalid_transition_names_the_thing_and_both_states():
    assert str(InvalidTransition("invoice", "inv_1", "paid", "open")) == "invoice inv_1 cannot go from paid to open"


def test_not_found_and_conflict_keep_what_they_are_about():
    assert NotFound("plan", "plan_1").kind == "plan"
    assert NotFound("plan", "plan_1").ident == "plan_1"
    assert Conflict("busy", field="plan").field == "plan"
    assert Conflict("busy").field is None


@pytest.mark.parametrize("value", ["x" * 10_000, "line\nbreak" * 50, list(range(1000))], ids=["text", "lines", "list"])
def test_a_long_wrong_value_is_cut_and_stays_on_one_line(value):
    message = str(InvalidInput("name", value, "is too long"))
    assert len(message) < LONGEST_ECHO + 40
    assert "…" in message
    assert "\n" not in message


def test_a_number_with_thousands_of_digits_can_still_be_refused():
    assert "amount" in str(InvalidInput("amount", 10**5000, "is too large"))
