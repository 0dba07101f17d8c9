"""Which tests concern which module: those that `make mutants` runs for a break in it."""

_BATCH = (
    "send",
    "results",
    "submit",
    "fetch",
    "recover",
    "rescue",
    "restore",
    "evidence",
    "faults",
    "cancel",
)

# module -> tests/test_<name>.py
TESTS = {
    "gemini/calls": ("client", "sdk_batch", "sdk_realtime", "sdk_caching", "faults"),
    "gemini/client": ("client", "process", "faults"),
    "gemini/operation": ("client", "evidence", "status", "fetch"),
    "batch/budget": ("estimate", "submit", "build_requests", "compare"),
    "batch/build": ("build_requests", "submit", "caching"),
    "batch/compare": ("compare",),
    "batch/fetch": (*_BATCH, "usage"),
    "batch/folder": ("folder", *_BATCH, "build_requests", "status", "overview"),
    "batch/images": ("recover", "fetch"),
    "batch/prompt_cache": ("caching",),
    "batch/recover": (*_BATCH, "usage", "process", "retry", "compare"),
    "batch/restore": ("restore", "fetch", "status", "recover"),
    "batch/results": (*_BATCH, "usage", "caching", "reread"),
    "batch/submit": (*_BATCH, "caching"),
    "jobs/database": ("states", "usage", "overview"),
    "jobs/date_checks": ("date_checks", "retry", "index"),
    "jobs/folders": ("recover", "restore", "overview", "retry"),
    "jobs/mended_answers": ("mended_answers", "retry"),
    "jobs/pdfs": ("discover", "render"),
    "jobs/pauses": ("pauses", "recover", "submit", "retry", "evidence", "overview"),
    "jobs/states": ("states", "retry", "render", "process", "recover", "overview", "reread"),
    "money/estimate": ("estimate", "caching"),
    "money/prices": ("prices", "cost"),
    "money/storage": ("caching", "cost"),
    "money/usage": ("usage", "cost", "estimate", "overview"),
}
