"""What each target of the Makefile runs: script and words. tests/test_makefile.py compares them.

$NAME is the variable's value as one word, empty where it is not given; $LETTERS are a comparison's
settings.
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
    "compare": ("compare.py --limit $LIMIT $LETTERS",),
    "second": ("second.py --limit $LIMIT --model $MODEL --seed $SEED",),
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
    found = [f"scripts/{script}"]
    for word in words:
        if word == "$LETTERS":  # those that were given, also empty
            given = [letter for letter in "ABCDEFGH" if letter in values]
            found += [w for one in given for w in ("--setting", f"{one}={values[one]}")]
        else:
            found.append(values.get(word[1:], "") if word[0] == "$" else word)
    return found
