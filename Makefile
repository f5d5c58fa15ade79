# make demo   the main job on the built-in sample, from nothing
# make test   what CI runs: lint, types, import contracts, tests; ends with pytest's own closing line
# make check  the same as make test
# make figures DATA=FOLDER  measures docs/figures.md anew on a collection of scans
SHELL := /bin/bash
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
STAMPS := $(VENV)/.stamps
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
XVFB := xvfb-run --auto-servernum --server-args="-screen 0 1400x900x24"
# Two processes: half of the tests wait for drawing. Whole files, so that what a file prepares once is prepared once.
PYTEST_ARGS ?= -n 2 --dist loadfile
DEMO_ARGS ?=

# What Qt's xcb platform and OpenGL link to and a plain Debian lacks, and the screen that tests draw on.
APT := xvfb xauth libegl1 libgl1 libgl1-mesa-dri libglx-mesa0 libopengl0 libglib2.0-0 libfontconfig1 libdbus-1-3 \
	libxkbcommon-x11-0 libxcb-cursor0 libxcb-icccm4 libxcb-image0 libxcb-keysyms1 libxcb-randr0 libxcb-render-util0 \
	libxcb-shape0 libxcb-xinerama0 libxcb-xkb1

.PHONY: demo test check lint weights figures clean
.DELETE_ON_ERROR:

demo: $(STAMPS)/gui $(STAMPS)/system
	$(BIN)/segsam demo $(DEMO_ARGS)

test: lint $(STAMPS)/system
	@command -v xvfb-run >/dev/null || { echo "make test needs xvfb-run: install the Debian package xvfb." >&2; exit 1; }
	$(XVFB) $(BIN)/python -m pytest $(PYTEST_ARGS)

check: test

lint: $(STAMPS)/test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# After training: writes the size and sha256 of weights/nano.safetensors into its two lines of the registry.
weights: weights/nano.safetensors
	sha256=$$(sha256sum $< | cut -d' ' -f1) size=$$(stat -c %s $<) && sed -i -e '/^\[model.nano\]/,/^\[model.nano.window\]/ {' \
		-e "s/^sha256 = .*/sha256 = \"$$sha256\"/" -e "s/^size = .*/size = $$size/" -e '}' weights/registry.toml

FIGURES := --page docs/figures.md
FUZZ_ARGS ?= --minutes 30
figures: $(STAMPS)/test
	$(BIN)/python benchmarks/scans/orientation.py $(FIGURES)
	$(BIN)/python benchmarks/scans/real_files.py $(DATA) $(FIGURES)
	$(BIN)/python benchmarks/scans/reference_pairs.py $(DATA) $(FIGURES)
	$(BIN)/python benchmarks/scans/validators.py $(DATA) $(FIGURES)
	$(BIN)/python benchmarks/speed/files.py $(FIGURES)
	SEGSAM_SHARED=$(DATA)/.. $(BIN)/python benchmarks/untrusted/fuzz.py $(FUZZ_ARGS) $(FIGURES)

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null \
		&& apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y python3-venv; } \
		|| { echo "This Python has no venv: apt-get install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(STAMPS)/gui: setup.cfg pyproject.toml | $(BIN)/python
	$(PIP) --editable '.[gui]'
	@mkdir -p $(STAMPS) && touch $@

$(STAMPS)/test: setup.cfg pyproject.toml | $(BIN)/python
	$(PIP) --editable '.[gui,test]'
	@mkdir -p $(STAMPS) && touch $@ $(STAMPS)/gui

# Installs what is missing where it may, names it in one line where it may not; a screen-less job needs none of it.
$(STAMPS)/system: Makefile | $(BIN)/python
	@mkdir -p $(STAMPS); command -v dpkg-query >/dev/null || { touch $@; exit 0; }; \
	missing=$$(for p in $(APT); do dpkg-query -W -f '$${Status}' $$p 2>/dev/null | grep -q ' installed' || echo -n "$$p "; done); \
	if [ -z "$$missing" ]; then touch $@; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && apt-get update -qq \
		&& DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $$missing >/dev/null; then touch $@; \
	else echo "Missing Debian packages; Qt needs them: apt-get install $$missing" >&2; fi
