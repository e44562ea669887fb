# Everything goes through ops/bootstrap.py, which finds a Python, makes .venv and installs what the
# lock files pin; all that is done here is to find something to run it with.
# PORT=, HOST=, WORKERS= and every other setting work as variables of make or of the environment.

.PHONY: help serve test browser-test long-test nemesis simulate lint types schema lock clean
.DEFAULT_GOAL := help

bootstrap = @for python in $(PYTHON) python3 python python3.14 python3.13 python3.12 python3.11; do \
	  "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 7))' >/dev/null 2>&1 \
	    && exec "$$python" ops/bootstrap.py $(1); \
	done; \
	echo "error: no Python 3 was found; FreshQL needs 3.11 or newer:" >&2; \
	echo "    sudo apt-get install python3 python3-venv   (or your system's way)" >&2; \
	exit 1

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*##/\1|/p' $(MAKEFILE_LIST) | while IFS='|' read -r name what; do \
	  printf '  make %-14s%s\n' "$$name" "$$what"; done

serve:  ## the store, on http://127.0.0.1:8000/graphql (PORT=, HOST=, WORKERS= change that)
	$(call bootstrap,serve --build-pages)

test:  ## every test but the browser's (ARGS= goes to pytest)
	$(call bootstrap,--development pytest -m 'not browser and not long' -n 2 $(ARGS))

browser-test:  ## the GraphiQL page in a real Chromium
	$(call bootstrap,--development pytest -m browser $(ARGS))

long-test:  ## what takes long, such as killing at each step on PostgreSQL, too
	$(call bootstrap,--development pytest -m long -n 2 $(ARGS))

nemesis:  ## only real servers broken under traffic, and the controls of the checker (docs/testing.md)
	$(call bootstrap,--development pytest -m nemesis tests/nemesis $(ARGS))

simulate:  ## a million steps of simulated worlds that check every answer (ARGS="--seed 1")
	$(call bootstrap,--development python -m cache.testing.simulator --steps 1000000 $(ARGS))

lint:  ## style, formatting and layers
	$(call bootstrap,--development ruff check .)
	$(call bootstrap,--development ruff format --check .)
	$(call bootstrap,--development lint-imports)

types:  ## mypy, strict
	$(call bootstrap,--development mypy)

schema:  ## print the API to schema.graphql
	$(call bootstrap,export-schema schema.graphql)

lock:  ## renew the lock files from pyproject.toml
	$(call bootstrap,--development python ops/lock.py)

clean:  ## remove what was built and installed; keeps .freshql, the store's data
	rm -rf .venv build dist *.egg-info web/dist web/node_modules
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
