"""The small breaks: those of cosmic-ray that say something, and those that it lacks.

Its own never leave a statement out, and turn a guard round where it is to be off: `if not full:
raise` fails every test, and says nothing of whether one fails without the guard.
"""

import re
from collections.abc import Iterator
from typing import Any

import parso
from cosmic_ray.operators.operator import Operator
from cosmic_ray.operators.provider import OperatorProvider

# The others say the same once more, or break a type (`str | None`) that only mypy looks at.
_CORE = re.compile(
    "NumberReplacer|ZeroIterationForLoop|Replace(TrueWithFalse|FalseWithTrue|AndWithOr|OrWithAnd)"
    "|ReplaceBreakWithContinue|ReplaceContinueWithBreak|ReplaceUnaryOperator_Delete_Not"
    "|ReplaceBinaryOperator_(Add_Sub|Sub_Add|Mul_Div|Div_Mul)"
    "|ReplaceComparisonOperator_(Lt_LtE|LtE_Lt|Gt_GtE|GtE_Gt|Eq_NotEq|NotEq_Eq|Is_IsNot|IsNot_Is)"
)
parse: Any = parso.parse  # untyped
Place = tuple[tuple[int, int], tuple[int, int]]  # (line from 1, column from 0) of start and end


class _Ours(Operator):  # type: ignore[misc]
    """Replaces some children of a node by a text; none where the text is None."""

    def places(self, node: Any) -> Iterator[tuple[int, str | None]]:
        """(index among the node's children, text instead of it) of each break."""
        raise NotImplementedError

    def mutation_positions(self, node: Any) -> Iterator[Place]:
        for at, _ in self.places(node):
            yield node.children[at].start_pos, node.children[at].end_pos

    def mutate(self, node: Any, index: int) -> Any:
        at, text = list(self.places(node))[index]
        before = node.children[at].get_first_leaf().prefix
        node.children[at : at + 1] = [] if text is None else [parse(before + text)]
        return node

    @classmethod
    def examples(cls) -> tuple[()]:
        return ()


class LeaveOut(_Ours):
    """A call whose value nobody takes, a raise, an assignment to a part of something: left out."""

    def places(self, node: Any) -> Iterator[tuple[int, str | None]]:
        if node.type == "simple_stmt" and _acts(node.children[0]):
            yield 0, "pass"


def _acts(statement: Any) -> bool:
    if statement.type == "expr_stmt":
        return bool(statement.children[0].type in ("atom_expr", "power"))
    calls = statement.type in ("atom_expr", "power") and statement.children[-1].type == "trailer"
    return bool(calls or statement.type == "raise_stmt")


class LeaveOutArgument(_Ours):
    """`name=value` of a call: left out."""

    def places(self, node: Any) -> Iterator[tuple[int, str | None]]:
        if node.type in ("arglist", "trailer"):
            for at, child in enumerate(node.children):
                if child.type == "argument" and child.children[1] == "=":
                    yield at, None

    def mutate(self, node: Any, index: int) -> Any:
        at, _ = list(self.places(node))[index]
        comma = at + 1 < len(node.children) and node.children[at + 1] == ","
        del node.children[at : at + 1 + comma]
        return node


class NeverTrue(_Ours):
    """The condition of an if, a while or a comprehension."""

    text = "False"

    def places(self, node: Any) -> Iterator[tuple[int, str | None]]:
        if node.type in ("if_stmt", "while_stmt", "comp_if", "ternary", "test"):
            for at, child in enumerate(node.children):
                if child.type == "keyword" and child.value in ("if", "elif", "while"):
                    yield at + 1, f" {self.text}"

    def mutate(self, node: Any, index: int) -> Any:
        at, text = list(self.places(node))[index]
        node.children[at] = parse(text)
        return node


class AlwaysTrue(NeverTrue):
    """The same; but for `while`, which would go round for ever."""

    text = "True"

    def places(self, node: Any) -> Iterator[tuple[int, str | None]]:
        return iter(()) if node.type == "while_stmt" else super().places(node)


def operators() -> list[Operator]:
    core = OperatorProvider()
    found = [core[name]() for name in core if _CORE.fullmatch(name)]
    return [LeaveOut(), LeaveOutArgument(), NeverTrue(), AlwaysTrue(), *found]
