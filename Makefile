# Scanned flowsheets to structured data, one JSON file for each page, with Gemini.
#
#   SCANS_ROOT/**/*.pdf
#     discover       ->  jobs.db: one job for each page
#     render         ->  pages/…/page-NN.png
#     process        ->  results/…/page-NN.json                        in real time
#     batch-submit   ->  batches/<name>/requests.jsonl                 at half the price, within 24 h
#     batch-status   ->  batches/<name>/batch.json
#     batch-fetch    ->  batches/<name>/responses.jsonl  ->  results/…/page-NN.json
#     index          ->  flowsheets.db, which browse, review and export read
#
# A command's text is after ##, its variables after two spaces; make help prints both.

PYTHON ?= python3

venv      := .venv/bin/python
installed := .venv/installed
emulator  := .venv/emulator-installed
browser   := .venv/browser-installed
vertex    := .venv/vertex-installed
bucket    := .venv/bucket-tests-installed
chromium  := .venv/chromium-tests-installed
mutants   := .venv/mutants-installed
# The value of the variable $(1) as one word of the shell, whatever it holds: a dollar sign stays
# one, and a line break, which would end the command, becomes a space.
quote = '$(subst ','\'',$(subst $(newline), ,$(value $(1))))'
define newline


endef
# Given to a command, and not exported to it: that would carry out a $(shell ...) in a value.
unexport A B C D E F G H DOOR DRAFT LIMIT JOBS MISSING TIER BATCH SURE ID FORMAT PDF PAGE STATUS CODE PORT REVIEWER PAGES GROWTH MINUTES SEED MODULE MODEL WORLD TROUBLE

# Vertex AI's library is installed where the environment, or else .env, asks for it.
ifeq ($(origin GOOGLE_GENAI_USE_VERTEXAI)$(origin GOOGLE_GENAI_USE_ENTERPRISE),undefinedundefined)
flag := $(shell sed -nE 's/^ *(export +)?GOOGLE_GENAI_USE_(VERTEXAI|ENTERPRISE) *= *//p' .env 2> /dev/null)
else
flag := $(value GOOGLE_GENAI_USE_VERTEXAI) $(value GOOGLE_GENAI_USE_ENTERPRISE)
endif
yes   := 1 true yes on True Yes On TRUE YES ON
asked := $(if $(filter $(yes) $(yes:%="%") $(yes:%='%'),$(flag)),$(vertex))

# The handwriting of the samples; none of it is committed.
fonts := caveat courier-prime covered-by-your-grace gloria-hallelujah homemade-apple \
         kalam nothing-you-could-do patrick-hand permanent-marker reenie-beanie \
         rock-salt schoolbell shadows-into-light

# The letters that were given, an empty one too: its settings are those of .env.
letters = $(foreach letter,A B C D E F G H,$(if $(filter command environment,$(origin $(letter))),--setting $(letter)=$(call quote,$(letter))))

# With it, Python does not find scripts/flowsheets beside the script that is run.
unexport PYTHONSAFEPATH

.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { split($$2, says, /  +/); printf "make %-38s %s\n", $$1 " " says[2], says[1] }' Makefile

.PHONY: demo
demo: | $(installed) $(emulator) $(if $(filter vertex,$(DOOR)),$(vertex)) ## everything, end to end, on the sample scans, with no key  DOOR=vertex
	@$(venv) scripts/demo.py --door $(call quote,DOOR)

.PHONY: setup
setup: $(installed) $(asked) ## make the environment in .venv; every other command does so by itself

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

$(vertex): scripts/flowsheets/gemini/requirements-vertex.txt $(installed)
	@echo "installing what Vertex AI needs into .venv, once" >&2
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r $< >&2
	@touch $@

.PHONY: discover
discover: | $(installed) ## one job for each page of the PDFs under SCANS_ROOT
	@$(venv) scripts/discover.py

.PHONY: render
render: | $(installed) ## pending pages to upright 1-bit PNGs  LIMIT= JOBS= MISSING=1
	@$(venv) scripts/render.py --limit $(call quote,LIMIT) --jobs $(call quote,JOBS) --missing $(call quote,MISSING)

.PHONY: estimate
estimate: | $(installed) ## what the waiting pages would cost, in each mode  LIMIT=
	@$(venv) scripts/estimate.py --limit $(call quote,LIMIT)

.PHONY: process
process: | $(installed) $(asked) ## rendered pages to results now, in real time  LIMIT= JOBS= TIER=flex BATCH=1
ifeq ($(strip $(BATCH)),1)
	@$(venv) scripts/build_requests.py --limit $(call quote,LIMIT) --sure $(call quote,SURE)
	@$(venv) scripts/submit.py
else
	@$(venv) scripts/process.py --limit $(call quote,LIMIT) --jobs $(call quote,JOBS) --tier $(call quote,TIER) --batch $(call quote,BATCH)
endif

.PHONY: batch-submit
batch-submit: | $(installed) $(asked) ## rendered pages to a batch, at half the price  LIMIT= SURE=1
	@$(venv) scripts/build_requests.py --limit $(call quote,LIMIT) --sure $(call quote,SURE)
	@$(venv) scripts/submit.py

.PHONY: batch-status
batch-status: | $(installed) $(asked) ## the status of one batch, or of all open ones  ID=
	@$(venv) scripts/status.py -- $(call quote,ID)

.PHONY: batch-fetch
batch-fetch: | $(installed) $(asked) ## results of one batch, or of all that have ended (for cron)  ID=
	@$(venv) scripts/fetch.py -- $(call quote,ID)

.PHONY: batch-cancel
batch-cancel: | $(installed) $(asked) ## ask a batch to stop  ID=
	@$(venv) scripts/cancel.py -- $(call quote,ID)

.PHONY: batch-rescue
batch-rescue: | $(installed) $(asked) ## give a batch up: use what has come, free the other pages  ID= SURE=1
	@$(venv) scripts/rescue.py --sure $(call quote,SURE) -- $(call quote,ID)

.PHONY: batch-run
batch-run: | $(installed) $(asked) ## fetch, render and submit, as far as it goes now (for cron)  SURE=1
	@$(venv) scripts/run.py --sure $(call quote,SURE)

.PHONY: simulate
simulate: | $(installed) ## the days, dollars and waits of so many pages, by the run's own planner  PAGES= TIER= SEED= WORLD=
	@$(venv) scripts/simulate.py --pages $(call quote,PAGES) --tier $(call quote,TIER) --seed $(call quote,SEED) --world $(call quote,WORLD)

.PHONY: status
status: | $(installed) ## pages by status, failures, spend, open batches; asks no API  FORMAT=json
	@$(venv) scripts/overview.py --format $(call quote,FORMAT)

.PHONY: cost
cost: | $(installed) ## what was spent, by month, model and mode; asks no API  FORMAT=json|csv
	@$(venv) scripts/cost.py --format $(call quote,FORMAT)

.PHONY: compare
compare: | $(installed) $(asked) ## the same pages in both modes, or under settings; bills each  LIMIT= A="" B="…"
	@$(venv) scripts/compare.py --limit $(call quote,LIMIT) $(letters)

# The emulator's page reader is a second reader as well.
.PHONY: second
second: | $(installed) $(asked) $(if $(filter ocr OCR,$(value MODEL)),$(emulator)) ## pages read again by another model, to see where they differ; changes no result  LIMIT= MODEL=ocr SEED=
	@$(venv) scripts/second.py --limit $(call quote,LIMIT) --model $(call quote,MODEL) --seed $(call quote,SEED)

.PHONY: retry
retry: | $(installed) ## finished pages back to the queue, with all their tries  PDF= PAGE= STATUS=failed CODE=
	@$(venv) scripts/retry.py --pdf $(call quote,PDF) --page $(call quote,PAGE) --status $(call quote,STATUS) --code $(call quote,CODE)

.PHONY: reread
reread: | $(installed) ## failed pages' kept responses, read again; asks no API
	@$(venv) scripts/reread.py

.PHONY: rebuild
rebuild: | $(installed) ## jobs.db and the books, made again from the files; asks no API
	@$(venv) scripts/rebuild.py

.PHONY: index
index: | $(installed) ## results to flowsheets.db, for browse, review and export
	@$(venv) scripts/index.py

.PHONY: review
review: | $(installed) ## the pages to look at first, and why; asks no API  LIMIT=
	@$(venv) scripts/review.py --limit $(call quote,LIMIT)

.PHONY: truth
truth: | $(installed) ## pages drawn at random, for people to type  LIMIT= SEED= DRAFT=reading
	@$(venv) scripts/truth.py --limit $(call quote,LIMIT) --seed $(call quote,SEED) --draft $(call quote,DRAFT)

.PHONY: accuracy
accuracy: | $(installed) ## how right the readings are, by what people typed; asks no API  FORMAT=json A= B=
	@$(venv) scripts/accuracy.py --format $(call quote,FORMAT) --a $(call quote,A) --b $(call quote,B)

.PHONY: browse
browse: PORT ?= 8001
browse: | $(installed) $(browser) ## scans beside their transcriptions, and a search, in a browser  PORT= REVIEWER=
	@$(venv) scripts/browse.py --port $(call quote,PORT) --reviewer $(call quote,REVIEWER)

.PHONY: export
export: | $(installed) ## every play to export/plays.csv and plays.jsonl
	@$(venv) scripts/export.py

.PHONY: emulator
emulator: PORT ?= 8089
emulator: | $(installed) $(emulator) ## the Gemini API on this machine, in the foreground  PORT=
	@PYTHONPATH=scripts $(venv) -m emulator --port $(call quote,PORT) --data .emulator

.PHONY: test
test: | $(installed) $(emulator) $(browser) $(vertex) $(bucket) ## every test but those of test-browser
	@$(venv) -m pytest

$(bucket): tests/bucket/requirements.txt $(installed)
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r $< >&2
	@touch $@

$(chromium): tests/browser/requirements.txt $(installed)
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r $< >&2
	@touch $@

.PHONY: test-browser
test-browser: | $(installed) $(emulator) $(browser) $(chromium) ## make browse in Debian's Chromium, installed by apt-get if missing
	@command -v chromium > /dev/null || { \
	    echo "installing Debian's chromium, once" >&2; \
	    root=$$(test $$(id -u) = 0 || echo sudo); \
	    $$root apt-get update -qq >&2 && \
	    $$root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium >&2; \
	} || { echo "Error: chromium: is not there, and apt-get cannot install it. Install it, then make test-browser" >&2; exit 1; }
	@$(venv) -m pytest tests/browser

$(mutants): tests/mutants/requirements.txt $(installed)
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r $< >&2
	@touch $@

.PHONY: mutants
mutants: | $(installed) $(emulator) $(browser) $(vertex) $(bucket) $(mutants) ## small breaks in the code, and those that no test catches  MODULE=
	@PYTHONPATH=tests $(venv) -m mutants.run --module $(call quote,MODULE)

.PHONY: pictures
pictures: test-browser ## the README's pictures of make browse, drawn again
	@$(venv) tests/browser/pictures.py

.PHONY: record
record: | $(installed) $(emulator) $(vertex) ## the SDK tests' cassettes, recorded again
	@PYTHONPATH=scripts:tests $(venv) tests/record.py

.PHONY: samples
samples: | $(installed) ## the sample scans, drawn again (needs npm, for the fonts)
	@npm install --silent --no-save --no-audit --no-fund --prefix .fonts $(fonts:%=@fontsource/%@5.3.0)
	@PYTHONPATH=tests $(venv) -m samples.draw

.PHONY: bench
bench: PAGES ?= 1000
bench: | $(installed) ## what a page costs in render, build and fetch  PAGES= GROWTH=
	@PYTHONPATH=scripts $(venv) tests/bench.py --pages $(call quote,PAGES) --growth $(call quote,GROWTH)

.PHONY: load
load: | $(installed) $(emulator) ## thousands of pages through batch-run, in waves: seconds, memory, nothing lost  PAGES= TROUBLE=1 SEED=
	@PYTHONPATH=scripts:tests $(venv) tests/load.py --pages $(call quote,PAGES) --trouble $(call quote,TROUBLE) --seed $(call quote,SEED)

.PHONY: explore
explore: | $(installed) $(emulator) $(vertex) ## anything in any order, at random: is a page lost or billed twice?  MINUTES= SEED= DOOR=vertex
	@PYTHONPATH=scripts:tests $(venv) tests/explore.py --minutes $(call quote,MINUTES) --seed $(call quote,SEED) --door $(call quote,DOOR)

.PHONY: lint
lint: | $(installed) $(emulator) $(browser) $(chromium) $(vertex) ## ruff and mypy
	@$(venv) -m ruff format --check .
	@$(venv) -m ruff check .
	@$(venv) -m mypy
