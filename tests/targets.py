"""What each target of the Makefile runs: script and words. tests/test_makefile.py compares them.

$NAME is the variable's value as one word, empty where it is not given; a word in brackets is left
out then.
"""

import re

SUBMIT = ("build_requests.py --limit $LIMIT", "submit.py")

TARGETS: dict[str, tuple[str, ...]] = {
    "discover": ("discover.py",),
    "render": ("render.py --limit $LIMIT --jobs $JOBS",),
    "estimate": ("estimate.py --limit $LIMIT",),
    "process": ("process.py --limit $LIMIT --jobs $JOBS --tier $TIER",),
    "batch-submit": SUBMIT,
    "batch-status": ("status.py $ID",),
    "batch-fetch": ("fetch.py $ID",),
    "batch-cancel": ("cancel.py $ID",),
    "batch-rescue": ("rescue.py $ID",),
    "status": ("overview.py",),
    "cost": ("cost.py [--$FORMAT]",),
    "compare": ("compare.py --limit $LIMIT",),
    "retry": ("retry.py --pdf $PDF --page $PAGE",),
    "index": ("index.py",),
    "review": ("review.py --limit $LIMIT",),
    "export": ("export.py",),
}


def runs(target: str, *variables: str) -> list[list[str]]:
    """The commands of `make TARGET NAME=value ...`, in order: script under scripts/, its words."""
    values = dict(variable.split("=", 1) for variable in variables)
    lines = SUBMIT if values.get("BATCH") == "1" else TARGETS[target]
    return [_words(line, values) for line in lines]


def _words(line: str, values: dict[str, str]) -> list[str]:
    script, *words = line.split()
    return [f"scripts/{script}", *(word for given in words for word in _word(given, values))]


def _word(given: str, values: dict[str, str]) -> list[str]:
    bare = given.strip("[]")
    name = bare.partition("$")[2]
    if given != bare and not values.get(name):
        return []
    return [re.sub(r"\$\w+", lambda _: values.get(name, ""), bare)]
