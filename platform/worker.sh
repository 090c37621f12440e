#!/usr/bin/env bash
# Three processes that do what is queued: one for short work, one that trains, and the clock that sends the sweeps.
# A training takes hours, so it must not keep the sweeper waiting.
set -u
bin=$1
common=(-A vemo worker --loglevel "${LOG_LEVEL:-INFO}" --without-gossip --without-mingle)
"$bin/celery" "${common[@]}" -Q default,ingest,vision,export --concurrency 2 -n short@%h &
"$bin/celery" "${common[@]}" -Q gpu --concurrency 1 -n train@%h &
"$bin/celery" -A vemo beat --loglevel WARNING --schedule "${VEMO_HOME:-var}/beat" &
trap 'kill -TERM $(jobs -p) 2>/dev/null; wait' INT TERM EXIT
wait -n
