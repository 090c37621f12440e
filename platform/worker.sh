#!/usr/bin/env bash
# The processes that do what is queued, and the clock that sends the sweeps. Taking in a long list, a freezing, an export
# and a training take hours: neither the sweeps nor somebody's erasure waits for them, nor for each other.
set -u
bin=$1
common=(-A vemo worker --loglevel "${LOG_LEVEL:-INFO}" --without-gossip --without-mingle)
"$bin/celery" "${common[@]}" -Q default --pool solo -n short@%h &
"$bin/celery" "${common[@]}" -Q erasure --pool solo -n erase@%h &
"$bin/celery" "${common[@]}" -Q ingest,vision,export --concurrency 2 -n long@%h &
"$bin/celery" "${common[@]}" -Q gpu --concurrency 1 -n train@%h &
"$bin/celery" -A vemo beat --loglevel WARNING --schedule "${VEMO_HOME:-var}/beat" &
trap 'kill -TERM $(jobs -p) 2>/dev/null; wait' INT TERM EXIT
wait -n
