"""PostgreSQL: tables, the unit of work, and migrations. The only importer of SQLAlchemy."""
