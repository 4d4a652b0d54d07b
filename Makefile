# The two commands that a new machine needs are `make paper` and `make test`; both set up what is missing first.

PYTHON := $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
# The last line that a run prints: where its article is.
the_article = @if [ -f results/$(1)/paper/article.pdf ]; then echo "The article: results/$(1)/paper/article.pdf"; \
  else echo "The article's LaTeX sources: results/$(1)/paper/article.zip"; fi

.PHONY: paper wikipedia test test-lm-eval check setup system lock clean
.DEFAULT_GOAL := paper

paper: setup  ## Run everything on the bundled sample and say where the article is.
	@$(BIN)/snakemake all
	$(call the_article,sample)

# CONTACT reaches the shell as a variable, letter by letter, so that nothing in it is taken for a command.
override CONTACT := $(value CONTACT)
export CONTACT
wikipedia:  ## Download 1,000 articles of Spanish Wikipedia, run everything on them and say where the article is.
	@test -n "$$CONTACT" || { echo "Wikipedia asks whom to write to if a program disturbs it: \
	make wikipedia CONTACT=you@example.org, with your e-mail address or web page"; exit 1; }
	@$(MAKE) --no-print-directory setup
	@$(BIN)/snakemake all --configfile config/wikipedia.yaml --config "contact=$$CONTACT"
	$(call the_article,wikipedia)

test: setup  ## Run all tests.
	@./system-packages.sh test
	@$(BIN)/python -m pytest

test-lm-eval: $(VENV)/lm-eval/installed  ## Compare our scores with lm-evaluation-harness, in an environment of its own.
	@$(BIN)/python -m pytest tests/integration/test_lm_eval.py

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

$(VENV)/lm-eval/installed: requirements.lock tests/integration/lm_eval.txt | $(VENV)/installed
	@echo "Setting up $(@D) (once, a few minutes, 2 GB) ..."
	@$(BIN)/python -m venv $(@D)
	@$(@D)/bin/python -m pip install --quiet --disable-pip-version-check --requirement tests/integration/lm_eval.txt
	@touch $@

system:
	@./system-packages.sh

lock:  ## Write requirements.lock from what is installed in .venv.
	@$(BIN)/python -m pip freeze --all --exclude-editable --exclude pip > $(VENV)/freeze
	@{ sed -n '/^#/p' requirements.lock; sed 's/+.*//' $(VENV)/freeze | sort -f; } > $(VENV)/lock
	@mv $(VENV)/lock requirements.lock

clean:  ## Remove everything that the workflow made; the environment stays.
	rm -rf results logs .snakemake $(filter-out data/sample,$(wildcard data/*))
