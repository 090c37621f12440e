# The door to everything; a bare `make` says what there is.
SHELL := /bin/bash
PYTHON ?= python3
PORT ?= 8000
SERVE ?= 1
DATA ?=
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
export PYTHONPATH := $(CURDIR)/platform:$(CURDIR)
export DJANGO_SETTINGS_MODULE := vemo.settings

.DEFAULT_GOAL := help
.PHONY: help setup run worker demo test suite check bench fmt screenshots browser

help: ## Say what there is
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 22

setup: $(STAMP) ## Make .venv and install everything into it

$(STAMP): requirements.txt requirements-dev.txt
	@bash tests/setup.sh $(PYTHON) $(VENV)
	@touch $@

run: $(STAMP) ## Serve the site at http://127.0.0.1:PORT (8000)
	$(BIN)/python manage.py migrate --noinput
	$(BIN)/gunicorn vemo.wsgi --bind 127.0.0.1:$(PORT) --workers 2 --threads 8

worker: $(STAMP) ## Do what is queued: ingest, find faces, freeze, export, train
	bash platform/worker.sh $(BIN)

demo: $(STAMP) ## Run the whole loop and serve it; DATA=path for your own media, SERVE=0 to end after the loop
	$(BIN)/python manage.py demo $(if $(DATA),--data "$(DATA)") $(if $(filter 0,$(SERVE)),--no-serve) --port $(PORT)

check: $(STAMP) ## Format, lint, types, who may import whom, migrations complete
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python manage.py makemigrations --check --dry-run

test: check browser ## Check, then the whole suite on SQLite and on PostgreSQL, with real workers and a real browser
	bash tests/run.sh $(BIN)

browser: $(STAMP)
	@bash tests/browser.sh

bench: $(STAMP) ## Run every bench quickly and print its figures
	@for bench in voting snapshots detectors; do $(BIN)/python -m bench.$$bench --quick || exit 1; done

fmt: $(STAMP) ## Format, and mend what the linter can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

screenshots: $(STAMP) browser ## Take the README's pictures from a running demo
	$(BIN)/python -m bench.screenshots --base http://127.0.0.1:$(PORT) --out docs/screenshots
