# `make demo` and `make test` do all of their set-up themselves: make and a Python of 3.11 to 3.13 are enough.
#   make install TORCH=cpu           PyTorch's CPU build, for machines whose package index offers the CUDA one (5 GB)
#   make install PYTHON=python3.12   another interpreter

PYTHON ?= python3
WORKERS ?= 2

# With it every process would compile torch and its like anew, which takes longer than to import them.
unexport PYTHONDONTWRITEBYTECODE

VENV := .venv
BIN := $(VENV)/bin
# The choice is kept, so that a later `make test` does not fetch the other build.
TORCH ?= $(shell cat $(VENV)/torch-backend 2>/dev/null)
STAMP := $(VENV)/installed$(TORCH:%=-%)
UV := $(BIN)/uv --quiet --no-config
PIP := $(UV) pip install --python $(BIN)/python --require-hashes --no-deps --build-constraints requirements.txt
PACKAGE := --no-deps --no-build-isolation

# One package's lines in requirements.txt: the pin and the hashes that continue it.
pinned = /^($(1))==/,/[^\\]$$/
CUDA := torch|triton|cuda-[a-z-]+|nvidia-[a-z0-9-]+

.PHONY: install demo test lint docs sbom audit lock runtimes clean mutation fuzz android-test android-test-sdks test-all android-apk android-bundles web-demo

install: $(STAMP)

$(STAMP): requirements.txt pyproject.toml | $(BIN)/uv
ifeq ($(TORCH),)
	$(PIP) -r requirements.txt
else
	@# The CPU builds lie outside PyPI and have other hashes than the pinned ones, hence version only.
	sed -En 's/^(torch==[^ ]+).*/\1/p' requirements.txt > $(VENV)/torch.txt
	sed -E '$(call pinned,$(CUDA))d' requirements.txt > $(VENV)/other.txt
	$(UV) pip install --python $(BIN)/python --no-deps --torch-backend $(TORCH) --reinstall-package torch -r $(VENV)/torch.txt
	$(PIP) -r $(VENV)/other.txt
endif
	$(UV) pip install --python $(BIN)/python $(PACKAGE) --editable .
	@rm -f $(VENV)/installed*
	@echo $(TORCH) > $(VENV)/torch-backend
	@touch $@

$(BIN)/uv:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null || { \
	  echo "error: $(PYTHON): is not a Python that fits (found $$($(PYTHON) -V 2>&1 || true), expected 3.11 to 3.13); fix: make install PYTHON=python3.11" >&2; exit 7; }
	$(PYTHON) -m venv $(VENV)
	sed -En '$(call pinned,uv)p' requirements.txt > $(VENV)/uv.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r $(VENV)/uv.txt

demo: install
	$(BIN)/squeezebert-mobile export --output-dir build/demo --force
	$(BIN)/squeezebert-mobile verify build/demo
	$(BIN)/squeezebert-mobile predict build/demo "A quiet film that stays with you for days."
	$(BIN)/squeezebert-mobile predict build/demo "Two hours that I will never get back."

# mypy does not follow the editable install's import hook, so it reads an installed copy.
lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/vulture
	$(BIN)/python tests/guards/budgets.py
	rm -rf build/lib build/typed
	$(UV) pip install --python $(BIN)/python $(PACKAGE) --target build/typed .
	cd build/typed && ../../$(BIN)/mypy --config-file ../../pyproject.toml --cache-dir ../../.mypy_cache -p squeezebert_mobile

test: lint
	$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist worksteal -m "not slow"

# The heavy ones too: every task to both runtimes, the clients, the JVM, the README's demo.
test-all: lint
	$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist worksteal

# Seeded faults in the modules that a promise rests on, and how many of them the tests notice: tests/helpers/mutants.py.
mutation: install
	$(BIN)/python tests/helpers/mutants.py --children $(WORKERS) $(MODULES)

# Files made by grammars, for Python's readers and, where there are Java and Maven, the app's: SECONDS=3600 by hand.
SECONDS ?= 10
SEED ?= 0
fuzz: install
	$(BIN)/python tests/helpers/corpus/readers.py --seconds $(SECONDS) --seed $(SEED)

# The app, its APKs and phones, as far as the tools are there.
android-test: install
	$(BIN)/python -m pytest tests/android tests/benchmarks/test_phones.py

# The screens again on the oldest Android, on one in between and on the newest that Robolectric has for Java 17.
ANDROID_SDKS := 26=8.0.0_r4-robolectric-r1-i7 29=10-robolectric-5803371-i7 35=15-robolectric-13954326-i7
android-test-sdks: demo
	for sdk in $(ANDROID_SDKS); do \
	  artifact=org.robolectric:android-all-instrumented:$${sdk#*=} && \
	  mvn -q -B -ntp org.apache.maven.plugins:maven-dependency-plugin:3.6.1:get -Dartifact=$$artifact -Dtransitive=false && \
	  (cd android_demo && mvn -q -B -ntp test -Dbundle.dir=$(CURDIR)/build/demo -Dandroid.sdk=$${sdk%%=*} \
	    -Dandroid-runtime.version=$${sdk#*=}) && echo "Android API $${sdk%%=*}: passed" || exit 1; \
	done

# The built-in bundle of each flavour of Gradle's.
android-bundles: demo
	for runtime in onnx executorch; do $(BIN)/python android_demo/tools/one_runtime.py build/demo $$runtime build/demo-$$runtime || exit 1; done

# Also npm, zipalign, apksigner, dexdump and binutils. The phone build is Gradle's, see android_demo/README.md.
android-apk: demo
	$(BIN)/python android_demo/tools/build_apk.py --bundle build/demo

# The bundle of `make demo` in transformers.js, as a page on this machine until Ctrl-C; needs npm. BUNDLE=my-bundle shows another.
BUNDLE ?= build/demo
PORT ?= 8000
web-demo: $(if $(filter build/demo,$(BUNDLE)),demo,install)
	$(BIN)/python docs/web_demo/web_page.py $(BUNDLE) -o build/web-demo --port $(PORT)

# The pages of docs/ with the API reference, under build/docs; a broken link is an error.
docs: install
	rm -rf build/lib build/documented
	$(UV) pip install --python $(BIN)/python $(PACKAGE) --target build/documented .
	$(BIN)/mkdocs build

# What the wheel and the APKs are made of, as CycloneDX, under build/sbom.
sbom: install
	$(BIN)/python tests/helpers/sbom.py build/sbom

# The pins against the advisories that are kept in tests/data. Newer ones need the network and another's service:
#   .venv/bin/uv tool run pip-audit --disable-pip --requirement requirements.txt
audit: install
	$(BIN)/python tests/helpers/audit.py

# The demo bundle in every minor version of both runtimes that the package index has today, newer ones than those of
# the kept matrix (benchmarks/results) among them; fails where one answers otherwise. Needs 4 GB of disk for a while.
runtimes: demo
	$(BIN)/python -m squeezebert_mobile.benchmarks.lab.runtimes build/demo -o build/runtimes-$$(date +%F).json

# Pins are kept where they still fit; remove requirements.txt first to take the newest of everything.
# Without --no-config: uv reads the environments to pin for in pyproject.toml.
lock: install
	$(BIN)/uv --quiet pip compile --universal --generate-hashes --all-extras --no-header --no-annotate pyproject.toml -o requirements.txt

clean:
	rm -rf build dist $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis
