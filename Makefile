# The two commands of a new machine: `make run` and `make test`. `make help` lists all.

PYTHON ?= python3
PORT ?= 8000
# Processes that run the tests, each with an embedded PostgreSQL of its own; 0: one, without xdist.
WORKERS ?= 2
BIN := .venv/bin

.PHONY: help install run demo test lint types migrations-check pytest test-pgbouncer bench \
	bench-full stop clean

help: ## List the targets.
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1	\2/p' $(MAKEFILE_LIST) | expand -t 18

install: $(BIN)/installed ## Make the virtual environment with all packages.

$(BIN)/installed: requirements.txt requirements-dev.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	touch $@

run: install ## Initialise, load demo data, and serve the admin on http://127.0.0.1:8000/.
	@HTTPS=false exec $(BIN)/python manage.py serve --demo --port $(PORT)

demo: install ## Initialise, load demo data, and print the status.
	@exec $(BIN)/python manage.py demo

test: lint types migrations-check pytest ## Run everything that must pass before a commit lands.

lint: install ## Check style.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: install ## Check types.
	$(BIN)/mypy

migrations-check: install ## Check that models and migrations agree, and the system checks.
	DJANGO_SETTINGS_MODULE=tests.settings $(BIN)/python manage.py makemigrations --check --dry-run
	DJANGO_SETTINGS_MODULE=tests.settings $(BIN)/python manage.py check --fail-level WARNING

pytest: install ## Run the tests; WORKERS=2.
	$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder

test-pgbouncer: install ## Run the tests through PgBouncer in transaction mode.
	TEST_PGBOUNCER=1 DATA_DIR=.data/tests-pgbouncer $(BIN)/python -m pytest

bench: install ## Measure the loader; BENCH_REPEATS=5, BENCH_MEMORY=1 for its memory, too.
	DATA_DIR=.data/bench $(BIN)/python -m bench --report .data/bench.json

bench-full: install ## Measure the loader at the scale of the whole market; BENCH_SCALE=1.
	DATA_DIR=.data/bench $(BIN)/python -m bench --part memory --part full \
		--report .data/bench-full.json

bench-backup: install ## Measure backup sets beside pg_dump | gzip; BENCH_BACKUP_PRODUCTS=120000.
	DATA_DIR=.data/bench $(BIN)/python -m bench.backup --report .data/bench-backup.json

bench-archive: install ## Measure archived months beside their tables; BENCH_ARCHIVE_ROWS=20000000.
	DATA_DIR=.data/bench $(BIN)/python -m bench.archive --report .data/bench-archive.json

stop: ## Stop the embedded PostgreSQL.
	@test ! -x $(BIN)/python || $(BIN)/python manage.py db_stop

clean: stop ## Remove everything that was generated, data included.
	rm -rf .data .venv .mypy_cache .pytest_cache .ruff_cache staticfiles
