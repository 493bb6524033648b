"""Alembic's environment: runs the migrations of our own store on the connection it is handed."""

from alembic import context

from console.state.models import State

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=State.metadata, render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()
