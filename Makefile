# make app    serve the page on a local port (PORT=7860 make app)
# make test   run every test
# make lint   check the style
# make audit  ask what is known against the installed packages; status 2 where nobody can be asked
# make fuzz   send damaged inputs through every door for ten minutes
# make test-lowest  run the tests that need no browser with the lowest versions that requirements.txt allows
# The first run makes .venv and installs what requirements*.txt name; later runs install only when those files change.

VENV := .venv
BIN := $(VENV)/bin
APP_READY := $(VENV)/.app-$(shell cksum < requirements.txt | cut -d' ' -f1)
DEV_READY := $(VENV)/.dev-$(shell cksum < requirements-dev.txt | cut -d' ' -f1)
PIP_INSTALL := $(BIN)/python -m pip install --disable-pip-version-check --quiet
PYTEST_ARGS ?=

.PHONY: app test test-lowest fuzz lint audit clean

app: $(APP_READY)
	$(BIN)/python app.py

test: $(APP_READY) $(DEV_READY)
	$(BIN)/python -m pytest $(PYTEST_ARGS)

fuzz: $(APP_READY) $(DEV_READY)
	$(BIN)/python -m benchmarks.fuzz --minutes 10

lint: $(DEV_READY)
	$(BIN)/ruff check .

audit: $(APP_READY) $(DEV_READY)
	.ci/audit $(BIN)/python

test-lowest:
	.ci/lowest $(PYTEST_ARGS)

clean:
	rm -rf $(VENV) .venv-lowest .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(APP_READY): | $(BIN)/pip
	@echo "Installing what Namebrush runs on, once; it is several gigabytes and can take some minutes."
	$(PIP_INSTALL) -r requirements.txt
	@rm -f $(VENV)/.app-*
	@touch $@

$(DEV_READY): | $(BIN)/pip
	$(PIP_INSTALL) -r requirements-dev.txt
	@rm -f $(VENV)/.dev-*
	@touch $@

# The first Python that is new enough and can make environments; PYTHON=... names another.
$(BIN)/pip:
	@for python in $(PYTHON) python3 python3.13 python3.12 python3.11; do \
	    if $$python -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	        echo "Making $(VENV) with $$($$python --version)."; exec $$python -m venv $(VENV); \
	    fi; \
	done; \
	echo "Namebrush needs Python 3.11 or later with its venv module (Debian: apt-get install python3-venv)." >&2; exit 1
