# Every target builds what it needs: `make demo` and `make test` work on a fresh machine with Python, make and git.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed

.PHONY: setup demo test check fix slow bench reproduce docs clean

setup: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q -c constraints.txt -e ".[deep,report,sklearn,serve,ann,tune,export,privacy,dev]"
	touch $@

demo: $(STAMP)
	$(BIN)/matweave demo

# a process a core, each with one thread in BLAS and OpenMP: two pools of threads on the same cores wait for each other
test: $(STAMP)
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/pytest -n auto --maxprocesses 4 --dist loadfile

slow: $(STAMP)
	$(BIN)/pytest -m slow

check: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/pyright

fix: $(STAMP)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(STAMP)
	$(BIN)/python -m benchmarks.speed

reproduce: $(STAMP)
	$(BIN)/python -m benchmarks.quality

docs: $(STAMP)
	$(BIN)/python -m docs.build

clean:
	rm -rf $(VENV) build dist .pytest_cache .ruff_cache
