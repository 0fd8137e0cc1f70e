# make verify   check every statement; the record is .theorytest/verify.json
# make test     the tests, then the branch coverage of the kernel
# make lint     ruff, pyright, import layers
# make notes    derivation notes of every statement as HTML, LaTeX and PDF, in notes/
# make docs     the documentation as a site, in site/
# make env      only build .venv
# make clean    remove what the others made
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed
EXTRAS := smt,data,notes,plots,dev

export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: verify test lint notes docs env clean

verify: env
	@mkdir -p .theorytest
	$(BIN)/theorytest verify --json .theorytest/verify.json

# The kernel is measured alone and from its own tests alone: what is trusted is tested directly.
test: env
	$(BIN)/pytest -n 2 tests
	@echo
	@echo "== kernel: 100% branch coverage of theorytest/kernel from tests/kernel alone =="
	@mkdir -p .theorytest
	COVERAGE_FILE=.theorytest/coverage.kernel $(BIN)/coverage run --branch --source=theorytest.kernel -m pytest -q tests/kernel
	COVERAGE_FILE=.theorytest/coverage.kernel $(BIN)/coverage report --fail-under=100
	@echo "kernel: every line and every branch is reached by tests/kernel"

lint: env
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/lint-imports --no-cache

notes: env
	$(BIN)/theorytest notes --out notes
	@echo "open notes/notes.html"

docs: env
	@$(BIN)/python -m mkdocs --version >/dev/null 2>&1 || $(BIN)/python -m pip install --quiet -c constraints.txt -e '.[docs]'
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict
	@echo "open site/index.html"

env: $(STAMP)

# Run again only when the packages change. A cold start downloads some hundred megabytes and takes minutes.
$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "theorytest needs Python 3.11 or later; $(PYTHON) is not. Try: make PYTHON=python3.11 $(MAKECMDGOALS)"; exit 2; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear .venv
	@echo "installing the packages of constraints.txt into .venv: a few minutes on a first run"
	@if [ -t 1 ]; then quiet=; else quiet=--quiet; fi; \
	  $(BIN)/python -m pip install $$quiet -c constraints.txt -e '.[$(EXTRAS)]'
	@touch $@

clean:
	rm -rf .venv .theorytest notes site build dist *.egg-info .pytest_cache .ruff_cache .hypothesis .import_linter_cache .coverage .coverage.*
	find theorytest tests proofs -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true
