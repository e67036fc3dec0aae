"""Each gateway in turn."""

from collections.abc import Iterator

import pytest

from tests.contracts.sides import Side, side_named
from tests.support.sandbox import Sandbox


@pytest.fixture(params=["portone v1", "another"])
def side(request: pytest.FixtureRequest, shared_sandbox: Sandbox) -> Iterator[Side]:
    """A gateway, its adapter, and the controls of what stands behind it."""
    with side_named(request.param, shared_sandbox) as ready:
        yield ready
    shared_sandbox.forget_rules()
