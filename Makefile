# Scanned flowsheets to JSON, one file a page, with Gemini: in real time, or in batches at half price.
#
#   SCANS_ROOT/**/*.pdf
#     discover   ->  jobs.db: one job a page
#     render     ->  pages/…/page-NN.png
#     process    ->  results/…/page-NN.json                            real time, the default way
#     estimate   what the waiting pages would cost;  cost: what was spent
#     batch-submit   (build_requests, submit)  ->  batches/<name>/     half the price, within 24 h
#     batch-status ->  batches/<name>/batch.json
#     batch-fetch  ->  batches/<name>/responses.jsonl  ->  results/…/page-NN.json
#     index        ->  flowsheets.db: searched and shown by browse, read by review and export

PYTHON ?= python3
PAGES  ?= 1000

venv      := .venv/bin/python
installed := .venv/installed
emulator  := .venv/emulator-installed
browser   := .venv/browser-installed
chromium  := .venv/chromium-tests-installed
# The value of the variable $(1) as one word of the shell, whatever it holds: a dollar sign is no
# variable of make's, and a line break, which would end the command, becomes a space.
quote = '$(subst ','\'',$(subst $(newline), ,$(value $(1))))'
define newline


endef

# The handwriting of the samples; none of it is committed.
fonts := caveat courier-prime covered-by-your-grace gloria-hallelujah homemade-apple \
         kalam nothing-you-could-do patrick-hand permanent-marker reenie-beanie \
         rock-salt schoolbell shadows-into-light

.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

.PHONY: help
help: ## these lines
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-15s %s\n", $$1, $$2 }' Makefile

.PHONY: demo
demo: | $(installed) $(emulator) ## everything, end to end, with no key: sample scans, the API emulated here
	@$(venv) scripts/demo.py

.PHONY: setup
setup: $(installed) ## the environment in .venv; the other commands see to it by themselves

$(installed): requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Error: python3: version " + sys.version.split()[0] + ". Install Python 3.11 or newer, or name one: make PYTHON=python3.12 ...")'
	@echo "installing into .venv, once" >&2
	@$(PYTHON) -m venv .venv
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check -r requirements.txt >&2
	@touch $@

$(emulator): scripts/emulator/requirements.txt $(installed)
	@echo "installing the emulator into .venv, once" >&2
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r $< >&2
	@touch $@

$(browser): scripts/browser/requirements.txt $(installed)
	@echo "installing Datasette into .venv, once" >&2
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r $< >&2
	@touch $@

.PHONY: discover
discover: | $(installed) ## register one job a page of the PDFs under SCANS_ROOT
	@$(venv) scripts/discover.py

.PHONY: render
render: | $(installed) ## pending pages to upright PNGs            LIMIT= JOBS=
	@$(venv) scripts/render.py --limit $(call quote,LIMIT) --jobs $(call quote,JOBS)

.PHONY: estimate
estimate: | $(installed) ## what the waiting pages would cost, by mode   LIMIT=
	@$(venv) scripts/estimate.py --limit $(call quote,LIMIT)

.PHONY: process
process: | $(installed) ## real time: rendered pages to results       LIMIT= JOBS= TIER=flex (BATCH=1: as batch-submit)
ifeq ($(BATCH),1)
	@$(venv) scripts/build_requests.py --limit $(call quote,LIMIT) --sure $(call quote,SURE)
	@$(venv) scripts/submit.py
else
	@$(venv) scripts/process.py --limit $(call quote,LIMIT) --jobs $(call quote,JOBS) --tier $(call quote,TIER) --batch $(call quote,BATCH)
endif

.PHONY: batch-submit
batch-submit: | $(installed) ## half price: rendered pages into a batch     LIMIT= SURE=1
	@$(venv) scripts/build_requests.py --limit $(call quote,LIMIT) --sure $(call quote,SURE)
	@$(venv) scripts/submit.py

.PHONY: batch-status
batch-status: | $(installed) ## state of one batch, or of all open ones     ID=
	@$(venv) scripts/status.py $(call quote,ID)

.PHONY: batch-fetch
batch-fetch: | $(installed) ## collect one batch, or all that ended (cron) ID=
	@$(venv) scripts/fetch.py $(call quote,ID)

.PHONY: batch-cancel
batch-cancel: | $(installed) ## ask a batch to stop                         ID=
	@$(venv) scripts/cancel.py $(call quote,ID)

.PHONY: batch-rescue
batch-rescue: | $(installed) ## give up a batch, use what there is, free the rest  ID=
	@$(venv) scripts/rescue.py --sure $(call quote,SURE) $(call quote,ID)

.PHONY: status
status: | $(installed) ## pages by status, open batches
	@$(venv) scripts/overview.py

.PHONY: cost
cost: | $(installed) ## what was spent, by month, model and mode     FORMAT=json|csv
	@$(venv) scripts/cost.py --format $(call quote,FORMAT)

.PHONY: compare
compare: | $(installed) ## a few pages both ways: tokens, dollars, readings; again to finish  LIMIT=
	@$(venv) scripts/compare.py --limit $(call quote,LIMIT)

.PHONY: retry
retry: | $(installed) ## one finished page back to the queue         PDF= PAGE=
	@$(venv) scripts/retry.py --pdf $(call quote,PDF) --page $(call quote,PAGE)

.PHONY: rebuild
rebuild: | $(installed) ## jobs.db again from the folders and responses on disk; asks no API
	@$(venv) scripts/rebuild.py

.PHONY: index
index: | $(installed) ## results to flowsheets.db, which is browsed
	@$(venv) scripts/index.py

.PHONY: review
review: | $(installed) ## the pages to look at first, and why          LIMIT=
	@$(venv) scripts/review.py --limit $(call quote,LIMIT)

.PHONY: browse
browse: PORT ?= 8001
browse: | $(installed) $(browser) ## the pages, their scans and a search, in a browser  PORT=
	@$(venv) scripts/browse.py --port $(call quote,PORT)

.PHONY: export
export: | $(installed) ## every play to export/plays.csv and .jsonl
	@$(venv) scripts/export.py

.PHONY: emulator
emulator: PORT ?= 8089
emulator: | $(installed) $(emulator) ## the Gemini API on this machine               PORT=
	@PYTHONPATH=scripts $(venv) -m emulator --port $(call quote,PORT) --data .emulator

.PHONY: test
test: | $(installed) $(emulator) $(browser) ## every test but those of test-browser
	@$(venv) -m pytest

$(chromium): tests/browser/requirements.txt $(installed)
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r $< >&2
	@touch $@

.PHONY: test-browser
test-browser: | $(installed) $(emulator) $(browser) $(chromium) ## make browse in Debian's Chromium, put in by apt-get if missing
	@command -v chromium > /dev/null || { \
	    echo "installing Debian's chromium, once" >&2; \
	    root=$$(test $$(id -u) = 0 || echo sudo); \
	    $$root apt-get update -qq >&2 && \
	    $$root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium >&2; \
	} || { echo "Error: chromium: is not there, and apt-get cannot install it. Install it, then make test-browser" >&2; exit 1; }
	@$(venv) -m pytest -n0 tests/browser

.PHONY: pictures
pictures: test-browser ## the README's pictures of make browse, anew
	@$(venv) tests/browser/pictures.py

.PHONY: record
record: | $(installed) $(emulator) ## record the SDK tests' cassettes anew, against the emulator, or Google with a key
	@PYTHONPATH=scripts:tests $(venv) tests/record.py

.PHONY: samples
samples: | $(installed) ## draw the sample scans anew (needs npm, for the fonts)
	@npm install --silent --no-save --no-audit --no-fund --prefix .fonts $(fonts:%=@fontsource/%@5.3.0)
	@PYTHONPATH=tests $(venv) -m samples.draw

.PHONY: bench
bench: | $(installed) ## cost a page of render, build and fetch      PAGES=
	@PYTHONPATH=scripts $(venv) tests/bench.py --pages $(call quote,PAGES)

.PHONY: explore
explore: | $(installed) $(emulator) ## anything in any order, at random: is a page lost or billed twice?  MINUTES= SEED=
	@PYTHONPATH=scripts:tests $(venv) tests/explore.py --minutes $(call quote,MINUTES) --seed $(call quote,SEED)

.PHONY: lint
lint: | $(installed) $(emulator) $(browser) $(chromium) ## ruff and mypy
	@$(venv) -m ruff format --check .
	@$(venv) -m ruff check .
	@$(venv) -m mypy
