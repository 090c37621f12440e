"""What the JSON of most of labeling's things has in common."""

MOST = 2**63 - 1
"""The largest number of a row; a database is not asked about more."""

WORK = ("state", "attempt", "done", "total", "message", "error", "started_at", "heartbeat_at", "ended_at")
