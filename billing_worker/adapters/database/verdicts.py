"""The reason against work, or against an upgrade, on a database: one line with its way out."""

from collections.abc import Iterator, Sequence

from billing_worker.adapters.database import refusals
from billing_worker.adapters.database.address import NAME
from billing_worker.adapters.database.engine import Limits
from billing_worker.adapters.database.found import NEWEST_MIGRATION, VERSION_TABLE, Found
from billing_worker.domain.errors import BillingError, SettingsInvalid

_NAMED = 3
"""The most tables that a line names; more would hide its end."""


def not_ready(found: Found, limits: Limits) -> BillingError | None:
    """Why no charge may be made with this database; None if it is ready."""
    return next(filter(None, _against_work(found, limits)), None)


def not_upgradable(found: Found, limits: Limits) -> BillingError | None:
    """Why the tables cannot be upgraded to this release; None if no reason is known."""
    return next(filter(None, _against_an_upgrade(found, limits)), None)


def _against_work(found: Found, limits: Limits) -> Iterator[BillingError | None]:
    yield _only_reads(found)
    yield _other_letters(found)
    yield _limits_are_lost(found, limits)
    yield _rights_are_missing(found)
    yield _newer(found)
    yield _foreign(found)
    yield _not_up_to_date(found)


def _against_an_upgrade(found: Found, limits: Limits) -> Iterator[BillingError | None]:
    yield _only_reads(found)
    yield _other_letters(found)
    yield _limits_are_lost(found, limits)
    if VERSION_TABLE in found.withheld:
        yield _rights_are_missing(found)
    yield _newer(found)
    yield _foreign(found)
    if found.version == NEWEST_MIGRATION and found.carried_over:
        return
    yield _elsewhere(found)
    yield None if found.may_create else SettingsInvalid(f"{NAME}: {_may_not_create(found)}")


def _only_reads(found: Found) -> BillingError | None:
    return refusals.read_only(standby=found.standby) if found.standby or found.read_only else None


def _other_letters(found: Found) -> SettingsInvalid | None:
    if found.encoding == "UTF8":
        return None
    problem = f"the database's encoding is {found.encoding}, which cannot store every customer's name"
    way_out = "make one with CREATE DATABASE billing ENCODING 'UTF8' TEMPLATE template0"
    return SettingsInvalid(f"{NAME}: {problem}; {way_out}")


def _limits_are_lost(found: Found, limits: Limits) -> SettingsInvalid | None:
    for (name, wanted), is_now in zip(limits.settings.items(), found.limits, strict=True):
        if is_now != wanted:
            problem = f"{name} is {is_now} ms in a transaction that began by setting it to {wanted} ms"
            way_out = "a pooler in between loses SET LOCAL; use the server's own address, or"
            return SettingsInvalid(f"{NAME}: {problem}; {way_out} PgBouncer with pool_mode = transaction")
    return None


def _rights_are_missing(found: Found) -> SettingsInvalid | None:
    if not found.withheld or not found.versioned:
        return None
    grant = f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {found.version_schema} TO {found.role}"
    problem = f"{found.role} may not work with {_some(found.withheld)}"
    return SettingsInvalid(f"{NAME}: {problem}; let the tables' owner run: {grant}")


def _newer(found: Found) -> SettingsInvalid | None:
    if not found.is_newer:
        return None
    state = f"a newer release brought the database to migration {found.version}; this one ends at"
    way_out = "run that release or a later one, or restore the backup made before it"
    return SettingsInvalid(f"{NAME}: {state} {NEWEST_MIGRATION}; {way_out}")


def _foreign(found: Found) -> SettingsInvalid | None:
    if found.version is not None or not found.present:
        return None
    problem = f"schema {found.schema} has another application's {_some(found.present)}, and no migration of ours"
    return SettingsInvalid(f"{NAME}: {problem}; {refusals.OWN_PLACE}")


def _not_up_to_date(found: Found) -> SettingsInvalid | None:
    if found.version == NEWEST_MIGRATION and found.carried_over:
        return None
    state = f"is at migration {found.version}, this release needs {NEWEST_MIGRATION}"
    if found.version is None:
        state = "has no tables yet" + ("" if found.may_create else f", and {_may_not_create(found)}")
    elif found.version == NEWEST_MIGRATION:
        state = f"notes its migration in alembic_version, this release in {VERSION_TABLE}"
    return SettingsInvalid(f"{NAME}: the database {state}; run: billing-worker db upgrade")


def _elsewhere(found: Found) -> SettingsInvalid | None:
    if found.version is None or found.version_schema == found.schema:
        return None
    problem = f"the tables are in schema {found.version_schema}, and search_path puts {found.schema} before it"
    return SettingsInvalid(f"{NAME}: {problem}; add ?search_path={found.version_schema} to it")


def _may_not_create(found: Found) -> str:
    if found.schema is None:
        return f"no schema of search_path ({found.search_path}) exists; create it: CREATE SCHEMA …"
    return (
        f"{found.role} may not create tables in schema {found.schema}; let the schema's owner run:"
        f" GRANT CREATE ON SCHEMA {found.schema} TO {found.role}"
    )


def _some(tables: Sequence[str]) -> str:
    named = ", ".join(tables[:_NAMED]) + (" …" if len(tables) > _NAMED else "")
    return f"table{'s' if len(tables) > 1 else ''} {named}"
