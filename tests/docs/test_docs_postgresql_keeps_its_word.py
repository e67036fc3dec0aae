"""What docs/postgresql.md says about rights and schemas is done here, as it is written."""

from contextlib import contextmanager

from sqlalchemy import make_url, text

from billing_worker.adapters.database.engine import WORKING, open_engine
from billing_worker.adapters.database.readiness import check_ready
from billing_worker.adapters.database.upgrade import upgrade
from tests.docs.markdown import ROOT, blocks
from tests.support.sandbox import Sandbox
from tests.support.world import World

PAGE = ROOT / "docs" / "postgresql.md"


@contextmanager
def engine_at(url: str):
    made = open_engine(url, pool_size=2, application="test")
    try:
        yield made
    finally:
        made.dispose()


def test_the_documented_rights_and_schema_are_enough_to_migrate_and_to_charge(
    empty_database_url: str, shared_sandbox: Sandbox
) -> None:
    statements = [
        line for block in blocks(PAGE, "sql") for each in block.text.split(";") if (line := " ".join(each.split()))
    ]
    assert len(statements) == 6
    own = {role: f"{role}_{make_url(empty_database_url).database}"[:60] for role in ("billing_owner", "billing_app")}

    def named(statement: str) -> str:
        """Roles belong to the whole server, which other tests share."""
        for role, name in own.items():
            statement = statement.replace(role, name)
        return statement

    def url(role: str, password: str) -> str:
        here = make_url(empty_database_url).set(username=own[role], password=password)
        return here.render_as_string(hide_password=False) + "?search_path=billing"

    with engine_at(empty_database_url) as superuser:
        with superuser.begin() as connection:
            for statement in statements:
                connection.execute(text(named(statement)))
        try:
            with engine_at(url("billing_owner", "one")) as owner:
                upgrade(owner)
            with engine_at(url("billing_app", "two")) as app:
                check_ready(app)
            with World.built(url("billing_app", "two"), shared_sandbox) as world:
                subscription = world.subscribe()
                world.settle()
                assert world.invoice(subscription).status == "paid"
                world.assert_books_agree()
        finally:
            with superuser.begin() as connection:
                for name in reversed(own.values()):
                    connection.execute(text(f"DROP OWNED BY {name} CASCADE"))
                    connection.execute(text(f"DROP ROLE {name}"))


def test_the_limits_that_the_page_names_are_those_of_the_code() -> None:
    page = " ".join(PAGE.read_text().split())
    for name, milliseconds in WORKING.settings.items():
        assert f"`{name}` {milliseconds // 1000} s" in page
