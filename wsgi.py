"""For any WSGI server: `gunicorn wsgi:app`. The only module-level application."""

from console import create_app

app = create_app()
