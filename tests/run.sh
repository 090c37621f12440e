#!/usr/bin/env bash
# The whole suite, on SQLite and then on PostgreSQL. What needs no database of a kind runs once, with SQLite.
set -uo pipefail
bin=$1
export OMP_NUM_THREADS=1
failed=0
echo "== SQLite"
DATABASE_URL= "$bin/pytest" -n 2 --dist loadgroup || failed=1
echo "== PostgreSQL"
"$bin/python" -m tests.postgres "$bin/pytest" -n 2 --dist loadgroup -m "not once" || failed=1
exit $failed
