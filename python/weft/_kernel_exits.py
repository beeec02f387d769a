"""``break``, ``continue`` and ``return`` of a kernel's source, as flags and branches.

    for i in range(n):                  _weft_break_1 = False
        if a: continue                  for i in range(n):          # while not _weft_break_1
        if b:                               if a: pass
            if c: break                     else:
            f()                                 _weft_skip_1 = False
        g()                                     if b:
                                                    if c: _weft_skip_1 = _weft_break_1 = True
                                                    else: f()
                                                if not _weft_skip_1: g()

What comes behind a branch that surely leaves goes to the other branch, and needs no flag. So lines
behind an exit run nowhere where it was taken: neither their stores nor their checks of indices.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

#: The name that a kernel's value has where there are several ends.
VALUE = "_weft_value"

_EXITS = (ast.Break, ast.Continue, ast.Return)


def breaks_of(loop: ast.For | ast.While) -> str | None:
    """The flag that ends a loop, if it has one."""
    return getattr(loop, "_weft_breaks", None)


@dataclass
class _Scope:
    """The body of a loop, or of the whole kernel."""

    #: Set where the rest of the body is left out, and where the loop ends.
    skip: str
    breaks: str
    #: Whether somebody asks.
    is_skip_read: bool = False


def _returns(statements: list[ast.stmt]) -> list[ast.Return]:
    nodes = (node for statement in statements for node in ast.walk(statement))
    return [node for node in nodes if isinstance(node, ast.Return)]


def _may_leave(statement: ast.stmt) -> bool:
    """Whether what comes behind the statement may be left out."""
    if isinstance(statement, _EXITS):
        return True
    if isinstance(statement, (ast.For, ast.While)):
        return bool(_returns(statement.body))
    if isinstance(statement, ast.If):
        return any(_may_leave(inner) for inner in (*statement.body, *statement.orelse))
    return False


def _surely_leaves(statements: list[ast.stmt]) -> bool:
    for statement in statements:
        if isinstance(statement, _EXITS):
            return True
        if (
            isinstance(statement, ast.If)
            and _surely_leaves(statement.body)
            and _surely_leaves(statement.orelse)
        ):
            return True
    return False


class Exits:
    """Replaces the exits of one kernel; ``refuse`` raises an error at a node."""

    def __init__(self, name: str, refuse: Callable[[ast.AST, str], NoReturn]) -> None:
        self.name = name
        self.refuse = refuse
        self.count = 0

    def replaced(self, body: list[ast.stmt]) -> list[ast.stmt]:
        """The body of the kernel without exits, but for a ``return`` as its last line."""
        *lines, last = body
        if isinstance(last, ast.Return) and not any(_has_exit(line) for line in lines):
            return body
        if not any(_has_exit(line) for line in body):
            return body
        self._check_values(body)
        has_value = any(node.value for node in _returns(body))
        scope = _Scope("_weft_return", "_weft_return")
        made = self._block(body, [scope])
        first = [_assigned(body[0], scope.skip, ast.Constant(False))]
        if not scope.is_skip_read:
            first, made = [], _without(made, scope.skip)
        if has_value:
            value = ast.Name(VALUE, ast.Load())
            made.append(_placed(ast.Return(value), body[-1]))
        return [*first, *made]

    def _check_values(self, body: list[ast.stmt]) -> None:
        """A kernel that gives a value does so by each of its ends, none of which is in a loop."""
        returns = _returns(body)
        valued = [node for node in returns if node.value]
        if not valued:
            return
        for statement in body:
            for node in ast.walk(statement):
                if isinstance(node, (ast.For, ast.While)) and (inner := _returns(node.body)):
                    self.refuse(
                        inner[0],
                        f"kernel {self.name}: return in a loop gives no value; assign it to a "
                        "variable, and return that behind the loop",
                    )
        if len(valued) < len(returns) or not _surely_leaves(body):
            self.refuse(
                valued[0],
                f"kernel {self.name}: gives a value at some of its ends, but not at all of them",
            )

    def _block(self, statements: list[ast.stmt], scopes: list[_Scope]) -> list[ast.stmt]:
        """The statements without exits; ``scopes``: that of the kernel, then those of loops."""
        made: list[ast.stmt] = []
        for number, statement in enumerate(statements):
            rest = statements[number + 1 :]
            if isinstance(statement, _EXITS):
                return [*made, *self._exit(statement, scopes)]
            if isinstance(statement, ast.If) and _may_leave(statement):
                return [*made, *self._if(statement, rest, scopes)]
            if isinstance(statement, (ast.For, ast.While)):
                has_return = _may_leave(statement)
                made += self._loop(statement, scopes)
                if has_return:
                    return [*made, *self._behind_return(statement, rest, scopes)]
            else:
                self._inside(statement, scopes)
                made.append(statement)
        return made

    def _inside(self, statement: ast.stmt, scopes: list[_Scope]) -> None:
        if isinstance(statement, ast.If):
            statement.body = self._block(statement.body, scopes)
            statement.orelse = self._block(statement.orelse, scopes)

    def _exit(self, statement: ast.stmt, scopes: list[_Scope]) -> list[ast.stmt]:
        made: list[ast.stmt] = []
        names = [scopes[-1].skip]
        if isinstance(statement, ast.Break):
            names.append(scopes[-1].breaks)
        if isinstance(statement, ast.Return):
            names += [scopes[-1].breaks, scopes[0].skip]
            scopes[0].is_skip_read |= len(scopes) > 1
            if statement.value:
                made.append(_assigned(statement, VALUE, statement.value))
        names = list(dict.fromkeys(names))
        return made + [_assigned(statement, name, ast.Constant(True)) for name in names]

    def _if(self, choice: ast.If, rest: list[ast.stmt], scopes: list[_Scope]) -> list[ast.stmt]:
        """A branch that may leave, and what is behind it."""
        is_first, is_second = _surely_leaves(choice.body), _surely_leaves(choice.orelse)
        if is_first or is_second or not rest:
            choice.body = self._block([*choice.body, *([] if is_first else rest)], scopes)
            choice.orelse = self._block([*choice.orelse, *([] if is_second else rest)], scopes)
            return [choice]
        choice.body = self._block(choice.body, scopes)
        choice.orelse = self._block(choice.orelse, scopes)
        return [choice, *self._unless_skipped(rest, scopes)]

    def _unless_skipped(self, rest: list[ast.stmt], scopes: list[_Scope]) -> list[ast.stmt]:
        if not rest:
            return []
        scopes[-1].is_skip_read = True
        flag = ast.Name(scopes[-1].skip, ast.Load())
        made = self._block(rest, scopes)
        nothing = _placed(ast.Pass(), rest[0])
        guard = ast.If(flag, [nothing], made)
        return [_placed(guard, rest[0])]

    def _behind_return(
        self, loop: ast.stmt, rest: list[ast.stmt], scopes: list[_Scope]
    ) -> list[ast.stmt]:
        """Behind a loop with a ``return``: the loops around it end, too."""
        made: list[ast.stmt] = []
        if len(scopes) > 1:
            for name in (scopes[-1].skip, scopes[-1].breaks):
                made.append(_assigned(loop, name, ast.Name(scopes[0].skip, ast.Load())))
        return [*made, *self._unless_skipped(rest, scopes)]

    def _loop(self, loop: ast.For | ast.While, scopes: list[_Scope]) -> list[ast.stmt]:
        if not _has_exit(loop):
            return [loop]
        self.count += 1
        scope = _Scope(f"_weft_skip_{self.count}", f"_weft_break_{self.count}")
        ends = any(not isinstance(node, ast.Continue) for node in _own_exits(loop.body))
        loop.body = self._block(loop.body, [*scopes, scope])
        if scope.is_skip_read:
            loop.body.insert(0, _assigned(loop, scope.skip, ast.Constant(False)))
        else:
            loop.body = _without(loop.body, scope.skip)
        if not ends:
            return [loop]
        first = _assigned(loop, scope.breaks, ast.Constant(False))
        loop._weft_breaks = scope.breaks  # type: ignore[union-attr]
        return [first, loop]


def _own_exits(statements: list[ast.stmt]) -> list[ast.stmt]:
    """The exits that end a loop with this body, or one of its iterations."""
    found: list[ast.stmt] = []
    for statement in statements:
        if isinstance(statement, _EXITS):
            found.append(statement)
        elif isinstance(statement, (ast.For, ast.While)):
            found += _returns(statement.body)
        elif isinstance(statement, ast.If):
            found += _own_exits([*statement.body, *statement.orelse])
    return found


def _has_exit(statement: ast.stmt) -> bool:
    return any(isinstance(node, _EXITS) for node in ast.walk(statement))


def _assigned(at: ast.stmt, name: str, value: ast.expr) -> ast.stmt:
    return _placed(ast.Assign([ast.Name(name, ast.Store())], value), at)


def _placed(made: ast.stmt, at: ast.stmt) -> ast.stmt:
    """A statement of our own, at the line of the user's that it stands for."""
    for node in ast.walk(made):
        if "lineno" in node._attributes and not hasattr(node, "lineno"):
            ast.copy_location(node, at)
    return made


def _without(statements: list[ast.stmt], name: str) -> list[ast.stmt]:
    """The statements without what sets a flag that nobody asks for."""
    made: list[ast.stmt] = []
    for statement in statements:
        if isinstance(statement, ast.Assign):
            target = statement.targets[0]
            if isinstance(target, ast.Name) and target.id == name:
                continue
        elif isinstance(statement, ast.If):
            statement.body = _without(statement.body, name) or [_placed(ast.Pass(), statement)]
            statement.orelse = _without(statement.orelse, name)
        made.append(statement)
    return made
