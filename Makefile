# Every command sets up what it needs; see README.md.
PORT ?= 8000
BIN := .venv/bin
# Two processes share the tests, file by file: what a file makes for its tests is made once.
SPREAD := -n 2 --dist loadfile
export PORT

.DEFAULT_GOAL := help
.PHONY: help run demo test test-long check check-static fix bench docs setup setup-test clean

help: ## Print what each command does
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: setup ## Start Duri at http://127.0.0.1:8000 (PORT changes it); Ctrl-C ends it
	@$(BIN)/lms run --port $(PORT)

demo: setup ## Play the whole story against a throw-away installation, without a browser
	@$(BIN)/lms demo

test: setup-test ## Set up everything the tests need and run them all
	@$(BIN)/python -m pytest $(SPREAD)

test-long: setup-test ## The long repetitions on top
	@$(BIN)/python -m pytest $(SPREAD) -m "long or not long"

check: setup-test check-static ## Static checks and the tests: what continuous integration runs
	@$(BIN)/python -m pytest $(SPREAD)

check-static: setup-test ## Lint, types, import contracts
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check -q .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

fix: setup-test ## Put the source in order: formatting and what the linter can mend
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: setup-test ## Print the measured figures
	@$(BIN)/python -m benchmarks

docs: setup-test ## Make the generated pages of docs/reference anew
	@$(BIN)/lms docs

setup:
	@python3 scripts/prepare.py run

setup-test:
	@python3 scripts/prepare.py test $(if $(CI),--require)

clean: ## Remove what was built; never the installation in instance/
	rm -rf .venv .environments .mypy_cache .ruff_cache .pytest_cache .hypothesis
