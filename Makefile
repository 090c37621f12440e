# The door to everything; a bare `make` says what there is.
SHELL := /bin/bash
PYTHON ?= python3
PORT ?= 8000
VENV := .venv
BIN := $(VENV)/bin
SITE := $(VENV)/.site
TOOLS := $(VENV)/.tools
# Compiled translations: not committed, made anew when a .po has changed.
WORDS := $(patsubst %.po,%.mo,$(wildcard platform/vemo/locale/*/LC_MESSAGES/django.po))
# platform/ is a plain folder on the path, not a package: docs/adr/0001.
export PYTHONPATH := $(CURDIR)/platform:$(CURDIR)

.DEFAULT_GOAL := help
.PHONY: help setup run worker demo check test test-sqlite test-postgres bench fmt messages screenshots

help:
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 23

setup: $(TOOLS) $(WORDS) ## Make .venv and install everything into it, and a browser for the tests where that can be done

run: $(SITE) $(WORDS) ## Serve the site at http://127.0.0.1:PORT (8000)
	$(BIN)/python manage.py migrate --noinput
	$(BIN)/gunicorn vemo.wsgi --bind 127.0.0.1:$(PORT) --workers 2 --threads 8

worker: $(SITE) $(WORDS) ## Do what is queued: ingest, find faces, freeze, export, train
	bash platform/worker.sh $(BIN)

demo: $(SITE) $(WORDS) ## Run the whole loop and serve it; DATA=path for your own media, SERVE=0 to end after the loop
	$(BIN)/python manage.py demo $(if $(DATA),--data "$(DATA)") $(if $(filter 0,$(SERVE)),--no-serve) --port $(PORT)

check: $(TOOLS) ## Format, lint, types, who may import whom, migrations complete
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python manage.py makemigrations --check --dry-run

test: check ## Check, then the whole suite on SQLite and on PostgreSQL, with real workers and a real browser
	@failed=0; for database in sqlite postgres; do $(MAKE) --no-print-directory test-$$database || failed=1; done; exit $$failed

test-sqlite: $(TOOLS) $(WORDS) ## The suite on SQLite; ARGS="-k words" for a part of it
	DATABASE_URL= OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist loadgroup --max-worker-restart 0 $(ARGS)

test-postgres: $(TOOLS) $(WORDS) ## What a database can change, on the PostgreSQL of DATABASE_URL, else on one from a wheel
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.postgres $(BIN)/pytest -n 2 --dist loadgroup --max-worker-restart 0 -m "not once" $(ARGS)

bench: $(TOOLS) $(WORDS) ## Measure voting and snapshots, quickly
	@for bench in voting snapshots; do $(BIN)/python -m bench.$$bench --quick || exit 1; done

fmt: $(TOOLS) ## Format, and mend what the linter can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

messages: $(TOOLS) ## Bring the words to translate (platform/vemo/locale) up to the sources
	$(BIN)/python manage.py make_words

screenshots: $(TOOLS) ## Take the README's pictures from a running demo
	$(BIN)/python -m bench.screenshots --base http://127.0.0.1:$(PORT) --out docs/screenshots

# What the site needs. The browser, the linters and the like come with the tools.
$(SITE): requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "VEMO needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version). Name another: make setup PYTHON=python3.12"; exit 1; }
	@test -x $(BIN)/pip || $(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); .ci/apt venv && $(PYTHON) -m venv $(VENV); }
	@echo "Installing into $(VENV) (torch is large; the first time takes some minutes) …"
	@$(BIN)/pip install --quiet -r requirements.txt
	@$(BIN)/python -c 'import cv2' 2>/dev/null || .ci/apt opencv
	@touch $@

$(TOOLS): requirements-dev.txt $(SITE)
	@$(BIN)/pip install --quiet -r requirements-dev.txt
	@command -v chromium chromium-browser google-chrome >/dev/null || .ci/apt chromium || true
	@touch $@

%.mo: %.po platform/compile_words.py | $(SITE)
	@$(BIN)/python platform/compile_words.py
