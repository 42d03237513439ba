# make figures | book | test | claims | paper | choices | lab | bench | faults: each does all its own set-up; only git, make and Python 3.11 or newer are needed.
PYTHON ?= python3
UV := uv==0.13.9
# Threads that spin while they wait are many times slower on a busy machine.
export OMP_WAIT_POLICY := passive
# What is compiled is kept: hundreds of processes would do it again.
unexport PYTHONDONTWRITEBYTECODE
# By name, for pytest compiles anew all of a package that brings one, and several do.
PLUGINS := -p xdist -p _hypothesis_pytestplugin
SHELL := /bin/bash
export PATH := $(CURDIR)/.venv/bin:$(PATH)

.PHONY: figures book test test-browser test-paper claims paper choices lab bench faults pin
.DELETE_ON_ERROR:

figures: .venv/ready
	python -m lib.shipped ready
	dvc pull data.dvc
	python -m lib.pipeline
	@echo "The figures are in results/*/figures, the notebooks as run in results/*/notebooks."

book: .venv/ready-for-book # what the pipeline made, as a static site to be read
	python -m lib.shipped
	python -m book.builder

test: .venv/ready-to-test
	python -m lib.shipped ready
	dvc pull data.dvc
	ruff check && ruff format --check --quiet
	@# a core for each process
	OMP_NUM_THREADS=1 PYTEST_DISABLE_PLUGIN_AUTOLOAD=1 python -m pytest $(PLUGINS) -n auto --dist loadfile --no-loadscope-reorder
	@echo "Not run here: make test-browser (needs Chromium), make test-paper (needs the data sets), make faults (hours; slow tests)."

test-browser: .venv/ready-to-test book # the book and JupyterLab in Debian's chromium, or any Chromium on the PATH
	python -m pytest -m browser

test-paper: .venv/ready-to-test # the paper's experiments on small settings, from the data sets in downloads/
	python -m pytest -m paper

claims: .venv/ready # one table over all experiments that have results, and the notebook that renders it
	python -m lib.notebook alone claims
	python -m lib.claims

paper: .venv/ready # what the paper's experiments would take here; make paper RUN="mnist-lenet …" runs some
	python -m lib.launch $(RUN)

choices: .venv/ready # every claim under every choice: half an hour for digits-vgg; make choices OF="mnist-lenet …" takes others
	python -m lib.launch choices $(OF)

lab: .venv/ready # the first time it solves the digits' interactions, which do not ship: about four minutes on two cores
	python -m lib.shipped ready
	dvc pull data.dvc
	python -m lib.shipped
	python -m lib.lab
	jupyter lab --notebook-dir=. notebooks

bench: .venv/ready-to-test
	python tests/bench.py
	python tests/bench_sampled.py

faults: .venv/ready-to-test # kills at random moments, unusual places, the solver on 101,000 tables, slow tests: hours
	python -m lib.shipped ready
	dvc pull data.dvc
	python -m pytest -m slow
	python tests/faults.py
	python tests/faults.py --places
	python tests/fuzz.py

.venv/ready: requirements.txt pyproject.toml Makefile
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Python 3.11 or newer is needed; $(PYTHON) is " + sys.version.split()[0] + ": make PYTHON=/path/to/python3.11 …")'
	$(PYTHON) -m venv .venv
	.venv/bin/python -m pip install --quiet --disable-pip-version-check $(UV)
	.venv/bin/uv pip install --quiet --python .venv/bin/python --compile-bytecode -r requirements.txt
	.venv/bin/uv pip install --quiet --python .venv/bin/python --no-deps -e .
	@.venv/bin/python -c 'import pathlib, sysconfig; pathlib.Path(sysconfig.get_path("purelib"), "companion.pth").write_text("$(CURDIR)\n")'
	@touch $@

.venv/ready-for-book: .venv/ready requirements-book.txt
	.venv/bin/uv pip install --quiet --python .venv/bin/python --compile-bytecode -r requirements.txt -r requirements-book.txt
	@touch $@

.venv/ready-to-test: .venv/ready-for-book requirements-dev.txt
	.venv/bin/uv pip install --quiet --python .venv/bin/python --compile-bytecode -r requirements.txt -r requirements-book.txt -r requirements-dev.txt
	@touch $@

# Renews the pinned lists from pyproject.toml; the later ones hold what the earlier ones lack.
COMPILE := .venv/bin/uv pip compile --quiet --universal --python-version 3.11 --no-header --no-annotate pyproject.toml
LACKING := awk 'NR == FNR {seen[$$0]; next} !($$0 in seen)'
pin: .venv/ready
	$(COMPILE) --upgrade --extra companion -o requirements.txt
	$(COMPILE) --extra companion --extra book -c requirements.txt | $(LACKING) requirements.txt - > requirements-book.txt
	$(COMPILE) --extra companion --extra book --extra test -c requirements.txt -c requirements-book.txt \
		| $(LACKING) <(cat requirements.txt requirements-book.txt) - > requirements-dev.txt
