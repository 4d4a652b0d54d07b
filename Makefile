# The two commands that a new machine needs are `make paper` and `make test`; both set up what is missing first.

PYTHON := $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
PDF := results/sample/paper/article.pdf

.PHONY: paper test check setup system lock clean
.DEFAULT_GOAL := paper

paper: setup  ## Run everything on the bundled sample and say where the article is.
	@$(BIN)/snakemake all
	@if [ -f $(PDF) ]; then echo "The article: $(PDF)"; else echo "The article's LaTeX sources: $(PDF:.pdf=.zip)"; fi

test: setup  ## Run all tests.
	@./system-packages.sh test
	@$(BIN)/python -m pytest

check: setup  ## Formatters, linters, types and walls between packages.
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/snakefmt --check Snakefile workflow
	$(BIN)/snakemake --lint

setup: system $(VENV)/installed

$(VENV)/installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(None if (3, 11) <= v < (3, 14) else \
	  f"miniLLM needs Python 3.11 (3.12 and 3.13 may work), and {sys.executable} is {v[0]}.{v[1]}: \
	install python3.11 and call make again")'
	@echo "Setting up $(VENV) (once, a few minutes) ..."
	@test -x $(BIN)/pip || $(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
	  echo "Python's venv module is missing: install python3.11-venv (Debian, Ubuntu) and call make again"; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

system:
	@./system-packages.sh

lock:  ## Write requirements.lock from what is installed in .venv.
	@$(BIN)/python -m pip freeze --all --exclude-editable --exclude pip > $(VENV)/freeze
	@{ sed -n '/^#/p' requirements.lock; sed 's/+.*//' $(VENV)/freeze | sort -f; } > $(VENV)/lock
	@mv $(VENV)/lock requirements.lock

clean:  ## Remove everything that the workflow made; the environment stays.
	rm -rf results logs .snakemake $(filter-out data/sample,$(wildcard data/*))
