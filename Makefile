# On a new machine: `make run` and `make test`. `make help` lists all targets.

PYTHON ?= python3
PORT ?= 8000
# Number of test processes, each with its own embedded PostgreSQL. 0: one process, without xdist.
WORKERS ?= 2
# Numbers in `make soak`: killed loaders, servers, backups and archivers; damaged payloads.
KILLS ?= 50
SERVER_KILLS ?= 10
BACKUP_KILLS ?= 20
ARCHIVE_KILLS ?= 6
MUTATIONS ?= 6000
export KILLS SERVER_KILLS BACKUP_KILLS ARCHIVE_KILLS MUTATIONS
BIN := .venv/bin

.PHONY: help install run demo test lint types migrations-check pytest soak test-pgbouncer bench \
	bench-full docs screenshots stop clean

help: ## List the targets.
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1	\2/p' $(MAKEFILE_LIST) | expand -t 18

install: $(BIN)/installed ## Create the virtual environment with all packages.

$(BIN)/installed: requirements.txt requirements-dev.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	touch $@

run: install ## Initialize, load demo data, and serve the admin on http://127.0.0.1:8000/.
	@HTTPS=false exec $(BIN)/python manage.py serve --demo --port $(PORT)

demo: install ## Initialize, load demo data, and print the status.
	@exec $(BIN)/python manage.py demo

test: lint types migrations-check pytest ## Run all checks and tests.

lint: install ## Check style and import contracts.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: install ## Check types.
	$(BIN)/mypy

migrations-check: install ## Check that migrations match the models, and run the system checks.
	DJANGO_SETTINGS_MODULE=tests.settings $(BIN)/python manage.py makemigrations --check --dry-run
	DJANGO_SETTINGS_MODULE=tests.settings $(BIN)/python manage.py check --fail-level WARNING

pytest: install ## Run the tests that are not marked slow; WORKERS=2.
	$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder

soak: install ## Run the tests marked slow: kills, concurrency, documents; KILLS=50.
	$(BIN)/python -m pytest -m slow --timeout 0 --numprocesses $(WORKERS) --dist loadfile \
		--no-loadscope-reorder

test-pgbouncer: install ## Run the tests through PgBouncer in transaction mode.
	TEST_PGBOUNCER=1 DATA_DIR=.data/tests-pgbouncer $(BIN)/python -m pytest

bench: install ## Measure loading; BENCH_REPEATS=5; BENCH_MEMORY=1 also measures memory.
	DATA_DIR=.data/bench $(BIN)/python -m bench --report .data/bench.json

bench-full: install ## Measure loading at the scale of the whole market; BENCH_SCALE=1.
	DATA_DIR=.data/bench $(BIN)/python -m bench --part memory --part full \
		--report .data/bench-full.json

bench-backup: install ## Compare backup sets with pg_dump | gzip; BENCH_BACKUP_PRODUCTS=120000.
	DATA_DIR=.data/bench $(BIN)/python -m bench.backup --report .data/bench-backup.json

bench-archive: install ## Compare archived months with tables; BENCH_ARCHIVE_ROWS=20000000.
	DATA_DIR=.data/bench $(BIN)/python -m bench.archive --report .data/bench-archive.json

bench-answers: install ## Measure the questions at the scale of the whole market; BENCH_SCALE=1.
	DATA_DIR=.data/bench $(BIN)/python -m bench.answers --report .data/bench-answers.json

docs: install ## Write docs/questions.md from the question files.
	$(BIN)/python manage.py ask --document > docs/questions.md

screenshots: install ## Make the pictures of docs/images/ from demo data; needs Chromium.
	DATA_DIR=.data/screenshots $(BIN)/python docs/screenshots.py

stop: ## Stop the embedded PostgreSQL.
	@test ! -x $(BIN)/python || $(BIN)/python manage.py db_stop

clean: stop ## Remove all generated files, including data.
	rm -rf .data .venv .import_linter_cache .mypy_cache .pytest_cache .ruff_cache staticfiles
