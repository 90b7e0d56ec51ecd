"""Run by Alembic: migrate in the caller's transaction, with the triggers off before and on again after.

No migration has to remember the triggers, and one that fails leaves the old schema with the old triggers.
"""

from alembic import context

from station.records.feed import install_feeds, remove_feeds
from station.records.guards import install_guards, remove_guards
from station.records.log_hook import extend, extending
from station.records.tables import Base

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=Base.metadata, render_as_batch=True, transactional_ddl=True)
extending(connection.connection.driver_connection)
remove_guards(connection)
remove_feeds(connection)
context.run_migrations()
violations = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
if violations:
    raise RuntimeError(f"the migration left {len(violations)} references to missing rows")
install_guards(connection)
install_feeds(connection)
extend(connection.connection.driver_connection)
