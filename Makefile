# The commands of the project. `make help` lists them.

PYTHON ?= python3
TESTS ?= tests/slurm
CORES ?= 2
RUNS ?= 3
BIN := .venv/bin
LOCK := envs/requirements.lock
READY := .venv/ready-$(shell cksum < $(LOCK) | cut -d' ' -f1)
# Only `python -m`: the first line of .venv/bin/snakemake cannot hold every path
SNAKEMAKE := $(BIN)/python -m snakemake --cores $(CORES)
STUDY = $(shell $(BIN)/python -c 'import yaml; print(yaml.safe_load(open("config.yaml"))["study"])')
TOOL = PYTHONPATH=workflow/scripts $(BIN)/python -m trainsize
# `quick` stays the last variant: it goes over all others
CORRECTED = $(patsubst %+quick,%,$(STUDY))+corrected$(if $(filter %+quick,$(STUDY)),+quick)
FOR = $(if $(PROFILE),--profile $(PROFILE)) $(if $(FORMAT),--format $(FORMAT))
PYTHON_FILES := workflow/scripts tests benchmarks docs/conf.py
RULE_FILES := Snakefile workflow/rules

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-slow test-slurm lint format plan costs failures verify archive licences report reproduction docs site bench bench-gpu calibration lock clean

help: ## list these commands
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 18

setup: $(READY) ## make .venv from the lock (minutes the first time, nothing after)

$(READY):
	@$(PYTHON) -c 'import sys; sys.exit("make: $(PYTHON) is Python %d.%d; 3.11 or later is needed (name one: make PYTHON=python3.12)" % sys.version_info[:2] if sys.version_info < (3, 11) else 0)'
	@case "$$PWD" in *:*) printf 'make: found a colon in %s, which separates folders in PATH; rename the folder\n' "$$PWD" >&2; exit 1;; esac
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement $(LOCK)
	@# `python -m trainsize.TOOL` works from any folder: the library's place, as seen from here, is on .venv's path
	echo ../../../../workflow/scripts > "$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/trainsize.pth"
	rm -f .venv/ready-*
	touch $@

demo: setup ## run the default study, from data to report
	$(SNAKEMAKE) --rerun-incomplete --quiet rules
	@printf 'The report: %s\n' "$$PWD/results/$(STUDY)/report.html"

test: setup ## run the tests, CORES=2 at a time
	$(BIN)/python -m pytest -m "not slow and not slurm" --numprocesses $(CORES)

test-slow: setup ## run the tests that take minutes, and write what they did to docs/reliability.md
	$(BIN)/python -m pytest -m slow --faults=docs/reliability.md

test-slurm: setup ## run the tests on a real SLURM, from Debian's packages (as root)
	@# each on a cluster of its own: they mostly wait
	$(BIN)/python -m pytest -rs -m slurm --numprocesses 8 $(TESTS)

lint: setup ## check style and rules
	$(BIN)/python -m ruff check $(PYTHON_FILES)
	$(BIN)/python -m ruff format --check $(PYTHON_FILES)
	$(BIN)/python -m snakefmt --check $(RULE_FILES)
	$(BIN)/python -m snakemake --lint

format: setup ## put the code into its one style
	$(BIN)/python -m ruff check --fix $(PYTHON_FILES)
	$(BIN)/python -m ruff format $(PYTHON_FILES)
	$(BIN)/python -m snakefmt $(RULE_FILES)

plan: setup ## say what the study still costs (PROFILE=slurm FORMAT=json)
	@$(TOOL).plan $(STUDY) $(FOR)

costs: setup ## say what the study's jobs asked for and used (PROFILE=slurm)
	@$(TOOL).costs $(STUDY) $(FOR)

failures: setup ## say which runs were begun and not finished, and why
	@$(TOOL).failures $(STUDY)

verify: setup ## train RUNS=3 random finished runs of the study again, and compare bit for bit
	@$(TOOL).verify $(STUDY) --runs $(RUNS)

archive: setup ## pack the finished study into one file with checksums
	@$(TOOL).archive $(STUDY)

licences: setup ## list the licences of what is locked
	@$(TOOL).licences

report: setup ## write an interim report of the runs of STUDY that are finished so far
	@$(TOOL).interim $(STUDY)

reproduction: setup ## run STUDY corrected and as published, and set both beside the published numbers
	@if grep -q '^  corrected:' studies/$(firstword $(subst +, ,$(STUDY))).yaml; then $(SNAKEMAKE) --rerun-incomplete --config study=$(CORRECTED); fi
	$(SNAKEMAKE) --rerun-incomplete --config study=$(STUDY)
	@$(TOOL).reproduction $(STUDY)

docs: setup ## write the pages that come from schemas and tables
	PYTHONPATH=workflow/scripts $(BIN)/python -m trainsize.reference

site: setup ## make site/index.html of the README and the pages below docs/
	rm -rf site
	$(BIN)/python -m sphinx --quiet --fail-on-warning --conf-dir docs . site

bench: setup ## measure the speed of training and of Snakemake (a quarter of an hour)
	$(BIN)/python benchmarks/speed.py
	$(BIN)/python benchmarks/overhead.py

bench-gpu: ## the same for training on a GPU, with whatever PyTorch PYTHON has
	$(PYTHON) benchmarks/speed.py step run roofline study letters --device cuda --share 1

calibration: setup ## measure how often the intervals hold on real curves (CURVES=runs.csv)
	$(BIN)/python benchmarks/real_curves.py $(if $(CURVES),--curves $(CURVES) --calibrate)

lock: ## choose the versions anew (needs uv)
	{ echo "# Exact versions with hashes of everything .venv holds, for Python 3.11 and later; made from requirements.in by 'make lock'."; \
	  uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header --no-emit-index-url --no-emit-find-links envs/requirements.in; } > $(LOCK).new
	mv $(LOCK).new $(LOCK)

clean: ## remove all results but prepared data sets
	find results -mindepth 1 -maxdepth 1 ! -name datasets ! -name .gitkeep -exec rm -rf {} +
