"""Mistakes in the languages that the staff reads."""

from tests.planted.bug import bug

WORDS = "tests/texts/test_words.py"
STAFF = "tests/cli/test_the_staff_reads_korean.py"
STORIES = "tests/usecases/test_why_in_both_languages.py::test_a_story_is_told_in_both_languages"

BUGS = (
    bug(
        "why answers in English always",
        "the setting of the language does not reach the sentences of `why`",
        (
            "billing_worker/usecases/reading/why.py",
            "words = Words(language, zone_named(timezone))",
            "words = Words(Language.EN, zone_named(timezone))",
        ),
        catchers=(f"{STORIES}[paid]", f"{STORIES}[another e-mail]"),
    ),
    bug(
        "a status in English",
        "the lines of the history show the codes of statuses",
        (
            "billing_worker/texts/words.py",
            "return catalogue(self.language).gettext(name_of(value))",
            "return value.value",
        ),
        catchers=(f"{STORIES}[paid]", f"{STAFF}::test_the_doctor_reports_in_korean"),
    ),
    bug(
        "a text without what it is about",
        "a text in one language leaves out what the other one says",
        (
            "billing_worker/texts/words.py",
            "return catalogue(self.language).gettext(name).format(**values)",
            'return re.sub(r"{\\w+}", "", catalogue(self.language).gettext(name))',
        ),
        catchers=(f"{STORIES}[declined]", f"{WORDS}::test_a_name_without_a_text_and_a_missing_value_are_mistakes"),
    ),
    bug(
        "a foreign reason is translated",
        "what a gateway said is changed where a part of it looks like our own words",
        ("billing_worker/texts/words.py", "found = pattern.fullmatch(recorded)", "found = pattern.search(recorded)"),
        catchers=(f"{WORDS}::test_a_reason_that_this_worker_wrote_is_translated_and_any_other_is_quoted",),
    ),
    bug(
        "titles of columns stay English",
        "the report shows the names of fields to a Korean reader",
        (
            "billing_worker/cli/output.py",
            'name.replace("_", " ") if self.words is None else self.words.say(f"column.{name}")',
            'name.replace("_", " ")',
        ),
        catchers=(f"{STAFF}::test_why_report_and_alerts_have_no_english_line",),
    ),
)
