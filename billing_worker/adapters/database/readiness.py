"""The conditions on a database before work starts: one statement checks them, one line reports them."""

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import SQLAlchemyError

from billing_worker.adapters.database import refusals
from billing_worker.adapters.database.engine import Limits, opening_of
from billing_worker.adapters.database.found import EARLIER_MIGRATIONS, NEWEST_MIGRATION, VERSION_TABLE, Found
from billing_worker.adapters.database.tables.schema import metadata
from billing_worker.adapters.database.verdicts import not_ready

_DELETED_FROM = (
    "alert_changes",
    "alerts",
    "audits",
    "doubts",
    "hourly_deltas",
    "hourly_totals",
    "inbox",
    "invoice_deltas",
    "kept_answers",
    "notices",
    "outbox",
    "processes",
    "refused_notifications",
)

_ASKED = text("""
    SELECT pg_is_in_recovery() AS standby, current_setting('transaction_read_only') = 'on' AS read_only,
           current_setting('server_encoding') AS encoding, current_user::text AS role,
           current_schema()::text AS schema, current_setting('search_path') AS search_path,
           coalesce(has_schema_privilege(current_schema(), 'CREATE'), false) AS may_create,
           to_regclass(:version_table) IS NOT NULL AS versioned,
           (SELECT relnamespace::regnamespace::text FROM pg_class
            WHERE oid = coalesce(to_regclass(:version_table), to_regclass('alembic_version'))) AS version_schema,
           to_regclass('alembic_version') IS NOT NULL AND has_table_privilege(to_regclass('alembic_version'), 'SELECT')
               AND (SELECT count(*) = 3 FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
                    JOIN pg_class v ON v.oid = to_regclass('alembic_version') AND v.relnamespace = c.relnamespace
                    WHERE NOT a.attisdropped
                      AND (c.relname, a.attname) IN (('billing_keys', 'customer_uid'), ('invoices', 'merchant_uid'),
                                                     ('payment_attempts', 'imp_uid'))) AS legacy,
           ARRAY(SELECT c.relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                 WHERE n.nspname = current_schema() AND c.relname = ANY(:tables) ORDER BY 1) AS present,
           ARRAY(SELECT c.relname::text FROM pg_class c
                 WHERE c.relname = ANY(:tables || CAST(:version_table AS text)) AND pg_table_is_visible(c.oid)
                   AND NOT (has_table_privilege(c.oid, 'SELECT')
                            AND (c.relname = :version_table
                                 OR has_table_privilege(c.oid, 'INSERT') AND has_table_privilege(c.oid, 'UPDATE')
                                    AND (c.relname <> ALL(:deleted) OR has_table_privilege(c.oid, 'DELETE'))))
                 ORDER BY 1) AS withheld,
           ARRAY(SELECT (1000 * extract(epoch FROM current_setting(name)::interval))::bigint
                 FROM unnest(CAST(:limits AS text[])) WITH ORDINALITY AS wanted (name, place) ORDER BY place) AS limits
""")


def look(connection: Connection, limits: Limits) -> Found:
    """Read the state of the database."""
    names = sorted(metadata.tables)
    wanted = {"tables": names, "version_table": VERSION_TABLE, "deleted": list(_DELETED_FROM)}
    row = connection.execute(_ASKED, wanted | {"limits": list(limits.settings)}).mappings().one()
    version = None
    if row["versioned"] and VERSION_TABLE not in row["withheld"]:
        version = connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar()  # noqa: S608 - our own name
    elif row["legacy"] and not row["versioned"]:
        found = connection.execute(text("SELECT version_num FROM alembic_version")).scalars().all()
        ours = [each for each in found if each in EARLIER_MIGRATIONS | {NEWEST_MIGRATION}]
        version = ours[0] if ours else None
    return Found(**row, version=version)


def state_of(engine: Engine) -> Found:
    """The state of this engine's database. Raises Unavailable or SettingsInvalid if it cannot be read."""
    opening = opening_of(engine)
    try:
        with engine.connect() as connection:
            return look(connection, opening.limits)
    except SQLAlchemyError as error:
        line = refusals.in_one_line(error, opening.address)
        if line is None:
            raise
        raise line from error


def check_ready(engine: Engine) -> None:
    """Refuse a database that does not answer, has other tables, or does not apply the limits.

    Raises Unavailable or SettingsInvalid, with the way out in one line.
    """
    found = state_of(engine)
    problem = not_ready(found, opening_of(engine).limits)
    if problem is not None:
        raise problem


def migration_of(engine: Engine) -> str | None:
    """The database's migration, None before the first one. Raises Unavailable or SettingsInvalid."""
    return state_of(engine).version
