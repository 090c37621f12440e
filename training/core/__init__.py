"""From a snapshot folder to a trained network: torch and numpy only, no Django, no database, no Celery."""
