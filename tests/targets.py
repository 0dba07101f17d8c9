"""What each target of the Makefile runs: script and words. tests/test_makefile.py compares them.

$NAME is the variable's value as one word, empty where it is not given.
"""

SUBMIT = ("build_requests.py --limit $LIMIT --sure $SURE", "submit.py")

TARGETS: dict[str, tuple[str, ...]] = {
    "discover": ("discover.py",),
    "render": ("render.py --limit $LIMIT --jobs $JOBS --missing $MISSING",),
    "estimate": ("estimate.py --limit $LIMIT",),
    "process": ("process.py --limit $LIMIT --jobs $JOBS --tier $TIER --batch $BATCH",),
    "batch-submit": SUBMIT,
    "batch-status": ("status.py -- $ID",),
    "batch-fetch": ("fetch.py -- $ID",),
    "batch-cancel": ("cancel.py -- $ID",),
    "batch-rescue": ("rescue.py --sure $SURE -- $ID",),
    "status": ("overview.py",),
    "cost": ("cost.py --format $FORMAT",),
    "compare": ("compare.py --limit $LIMIT",),
    "retry": ("retry.py --pdf $PDF --page $PAGE --status $STATUS --code $CODE",),
    "reread": ("reread.py",),
    "rebuild": ("rebuild.py",),
    "index": ("index.py",),
    "review": ("review.py --limit $LIMIT",),
    "truth": ("truth.py --limit $LIMIT --seed $SEED --draft $DRAFT",),
    "accuracy": ("accuracy.py --format $FORMAT --a $A --b $B",),
    "export": ("export.py",),
}


def runs(target: str, *variables: str) -> list[list[str]]:
    """The commands of `make TARGET NAME=value ...`, in order: script under scripts/, its words."""
    values = dict(variable.split("=", 1) for variable in variables)
    lines = SUBMIT if values.get("BATCH") == "1" else TARGETS[target]
    return [_words(line, values) for line in lines]


def _words(line: str, values: dict[str, str]) -> list[str]:
    script, *words = line.split()
    return [f"scripts/{script}", *(values.get(w[1:], "") if w[0] == "$" else w for w in words)]
