"""`billing-worker settings`."""

import re
from typing import Any

from pydantic import SecretStr

from billing_worker.cli.output import AsJson, Output
from billing_worker.config import Settings, load_settings, variables
from billing_worker.config.names import PREFIX

COLUMNS = ("variable", "value", "given", "meaning")


def settings(*, as_json: AsJson = False) -> None:
    """List every setting: the variable, its value, its source, and its purpose. Secrets are masked.

    Example: billing-worker settings
    """
    values = load_settings()
    rows = [
        {
            "variable": name,
            "value": shown(values, name.removeprefix(PREFIX).lower()),
            "given": name.removeprefix(PREFIX).lower() in values.model_fields_set,
            "meaning": meaning,
        }
        for name, meaning in variables().items()
    ]
    Output(as_json, values.timezone).rows(rows, COLUMNS, empty="")


def shown(values: Settings, name: str) -> Any:
    """A setting's value, safe to show."""
    value = getattr(values, name)
    if isinstance(value, SecretStr) or (name == "portone_imp_key" and value is not None):
        return "********"
    if isinstance(value, str) and "://" in value:
        return without_password(value)
    if isinstance(value, tuple):
        return ", ".join(value)
    return value if value is None or isinstance(value, bool | int | float) else str(value)


def without_password(url: str) -> str:
    """The URL, or a list of them, with `***` for each password."""
    return ";".join(_without_password(each) for each in re.split(r";(?=[a-z+]+://)", url))


def _without_password(url: str) -> str:
    scheme, found, rest = url.partition("://")
    if not found:
        return "*** (not a URL)"
    # A password may contain any character, even one that elsewhere begins a path, a query or a fragment.
    account, found, place = rest.rpartition("@")
    if not found:
        return url
    return f"{scheme}://{account.partition(':')[0]}:***@{place.partition('?')[0]}"
