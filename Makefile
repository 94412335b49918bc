# `make demo` and `make test` work on a machine that has nothing but Python 3.11 or later.
PYTHON ?= python3
BIN = .venv/bin
export HTTPS ?= off
# Bytecode is kept, whatever the machine's setting: many processes are begun, and each would compile the product anew.
export PYTHONDONTWRITEBYTECODE =

.PHONY: setup setup-dev demo test check serve bench clean

setup: .venv/installed

setup-dev: .venv/installed-dev

.venv/installed: requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed; set PYTHON=python3.11.")'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@touch $@

.venv/installed-dev: requirements-dev.lock .venv/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@

demo: setup
	$(BIN)/python manage.py demo $(ARGS)

# One process more than the two cores that it is made for: tests wait for servers and workers now and then.
test: setup-dev
	$(BIN)/python -m pytest -q --numprocesses 3 --dist loadfile --no-loadscope-reorder $(ARGS)

check: setup-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy .
	$(BIN)/lint-imports --no-cache
	$(BIN)/python manage.py makemigrations --check --dry-run
	SECRET_KEY=$$($(BIN)/python -c 'import secrets; print(secrets.token_urlsafe(50))') \
	CREDENTIAL_KEYS=$$($(BIN)/python -c 'from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())') \
	HTTPS=on $(BIN)/python manage.py check --deploy --fail-level WARNING

# The admin and the portal on 127.0.0.1:8000, with the workers of the tasks beside them.
serve: setup
	$(BIN)/python manage.py migrate --verbosity 0
	$(BIN)/python manage.py serve

bench: setup-dev
	$(BIN)/python manage.py bench $(ARGS)
	$(BIN)/python manage.py bench_load

clean:
	rm -rf .venv var .pytest_cache .mypy_cache .ruff_cache
