"""The Python of kernels: loops and branches of a function's source, as calls that build them.

    for i in range(0, n, BLOCK):        def __weft_body_1(i, total):
        total = total + f(i)                total = total + f(i)
                                            return (total,)
                                        (total,) = __weft__.loop(
                                            (0, n, BLOCK), __weft_body_1, (total,), ("total",))

All other lines stay as they are, and run when the kernel is traced: so a line's errors are Python's
own, with its number and column. What a kernel can't have is refused by name.
"""

from __future__ import annotations

import ast
import builtins
import copy
import functools
import inspect
import textwrap
import types
from collections.abc import Callable
from typing import Any, NoReturn

from ._errors import UnsupportedError
from ._kernel_exits import Exits, breaks_of

_RUNTIME = "__weft__"

#: Why a variable has no value.
ONE_BRANCH = "has a value in one branch of an if alone; give it one before"
_BEHIND_LOOP = "has no value behind its loop; assign it to another"

_REFUSED: dict[type, str] = {
    ast.Try: "try",
    ast.With: "with",
    ast.FunctionDef: "a function in it",
    ast.AsyncFunctionDef: "a function in it",
    ast.ClassDef: "a class in it",
    ast.Lambda: "lambda",
    ast.Yield: "yield",
    ast.YieldFrom: "yield",
    ast.Await: "await",
    ast.Global: "global",
    ast.Nonlocal: "nonlocal",
    ast.Delete: "del",
    ast.Import: "import",
    ast.ImportFrom: "import",
    ast.NamedExpr: ":=",
    ast.Match: "match",
}


def refuse(file: str, node: ast.AST, message: str) -> NoReturn:
    """Raises UnsupportedError at a node's line and column."""
    place = f"{file}:{getattr(node, 'lineno', 0)}:{getattr(node, 'col_offset', 0) + 1}"
    raise UnsupportedError(f"{place}: {message}")


class KernelSource:
    """The source of a kernel, with loops and branches replaced; compiled once."""

    def __init__(self, function: types.FunctionType) -> None:
        self.function = function
        self.file = function.__code__.co_filename
        try:
            lines, first = inspect.getsourcelines(function)
        except (OSError, TypeError):
            raise UnsupportedError(
                f"kernel {function.__name__}: its source is not to be had; write it in a file"
            ) from None
        self.text = text = "".join(lines)
        indent = len(lines[0]) - len(lines[0].lstrip())
        tree = ast.parse(textwrap.dedent(text))
        definition = tree.body[0]
        if not isinstance(definition, ast.FunctionDef):
            raise UnsupportedError(f"{self.file}:{first}: a kernel is a function made by def")
        for node in ast.walk(tree):
            for name in ("lineno", "end_lineno", "col_offset", "end_col_offset"):
                if hasattr(node, name):
                    moved = first - 1 if name.endswith("lineno") else indent
                    setattr(node, name, getattr(node, name) + moved)
        self._check(definition)
        definition.decorator_list = []
        definition.returns = None
        for argument in (*definition.args.args, *definition.args.kwonlyargs):
            argument.annotation = None
        definition.args.defaults, definition.args.kw_defaults = (
            [],
            [None for _ in definition.args.kwonlyargs],
        )
        parameters = [a.arg for a in (*definition.args.args, *definition.args.kwonlyargs)]
        exits = Exits(definition.name, functools.partial(refuse, self.file))
        body = exits.replaced(definition.body)
        definition.body = _Rewriting(self.file).block(body, set(parameters))
        self._code = compile(self._factory(definition), self.file, "exec")

    def _factory(self, definition: ast.FunctionDef) -> ast.Module:
        """A function of what the kernel's own names of outside are, that makes it."""
        made = ast.parse(f"def __weft_make({_RUNTIME}): return None").body[0]
        assert isinstance(made, ast.FunctionDef)
        free = [ast.arg(arg=name) for name in self.function.__code__.co_freevars]
        made.args.args += free
        made.body = [definition, ast.Return(ast.Name(definition.name, ast.Load()))]
        return ast.fix_missing_locations(ast.Module([made], []))

    def make(self, runtime: Any) -> Callable:
        """The kernel as a function that builds a program."""
        space: dict[str, Any] = {}
        exec(self._code, self.function.__globals__, space)
        return space["__weft_make"](runtime, *self.cells().values())

    def cells(self) -> dict[str, Any]:
        """What the names of around the kernel stand for."""
        cells = self.function.__closure__ or ()
        names = self.function.__code__.co_freevars
        return {name: cell.cell_contents for name, cell in zip(names, cells, strict=True)}

    def _check(self, definition: ast.FunctionDef) -> None:
        name = definition.name
        if definition.args.vararg or definition.args.kwarg or definition.args.posonlyargs:
            refuse(self.file, definition, f"kernel {name}: parameters are names, without * and /")
        inner = [node for statement in definition.body for node in ast.walk(statement)]
        for node in inner:
            if type(node) in _REFUSED:
                refuse(
                    self.file, node, f"kernel {name}: a kernel can't have {_REFUSED[type(node)]}"
                )
            if isinstance(node, (ast.For, ast.While)) and node.orelse:
                refuse(self.file, node, f"kernel {name}: a kernel can't have else behind a loop")
        self._check_names(definition, inner)

    def _check_names(self, definition: ast.FunctionDef, inner: list[ast.AST]) -> None:
        """Numbers from outside could change without anybody seeing it."""
        own = {argument.arg for argument in definition.args.args}
        own |= {argument.arg for argument in definition.args.kwonlyargs}
        names = [node for node in inner if isinstance(node, ast.Name)]
        own |= {node.id for node in names if isinstance(node.ctx, ast.Store)}
        outside = {**vars(builtins), **self.function.__globals__}
        cells = self.function.__closure__ or ()
        for name, cell in zip(self.function.__code__.co_freevars, cells, strict=True):
            try:
                outside[name] = cell.cell_contents
            except ValueError:
                continue
        for node in names:
            value = outside.get(node.id)
            allowed = callable(value) or isinstance(value, types.ModuleType)
            if node.id not in own and node.id in outside and not allowed and not _is_dtype(value):
                refuse(
                    self.file,
                    node,
                    f"kernel {definition.name}: {node.id} is a {type(value).__name__} from "
                    "outside, and could change; make it a parameter, maybe a weft.constexpr",
                )


def _is_dtype(value: object) -> bool:
    from ._dtypes import DType

    return isinstance(value, DType)


def _assigned(statements: list[ast.stmt]) -> list[str]:
    """The names that statements assign to, sorted."""
    found = {
        node.id
        for statement in statements
        for node in ast.walk(statement)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }
    return sorted(name for name in found if not name.startswith("__weft"))


def _texts(names: list[str]) -> ast.expr:
    return ast.Tuple([ast.Constant(name) for name in names], ast.Load())


class _Rewriting:
    """Replaces the loops and branches of one kernel."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.count = 0

    def block(self, statements: list[ast.stmt], defined: set[str]) -> list[ast.stmt]:
        """The statements, rewritten; ``defined`` are the names with values before them, and, when
        it returns, behind them."""
        made: list[ast.stmt] = []
        for statement in statements:
            if isinstance(statement, ast.For):
                made += self._for(statement, defined)
            elif isinstance(statement, ast.While):
                made += self._while(statement, defined)
            elif isinstance(statement, ast.If):
                made += self._if(statement, defined)
            else:
                made.append(statement)
                defined |= set(_assigned([statement]))
        return made

    def _function(
        self, kind: str, at: ast.stmt, names: list[str], body: list[ast.stmt], result: ast.expr
    ) -> ast.FunctionDef:
        self.count += 1
        made = ast.parse(f"def __weft_{kind}_{self.count}({', '.join(names)}): pass").body[0]
        assert isinstance(made, ast.FunctionDef)
        made.body = [*body, ast.Return(result)]
        self._place(made, at)
        return made

    def _place(self, made: ast.AST, at: ast.stmt) -> None:
        """Lines of its own are those of the statement that it stands for."""
        made_of_user = {id(n) for n in ast.walk(at)}
        for node in ast.walk(made):
            if id(node) in made_of_user or getattr(node, "_weft_placed", False):
                continue
            node._weft_placed = True  # type: ignore[attr-defined]
            for name in ("lineno", "end_lineno", "col_offset", "end_col_offset"):
                own = at.lineno if name == "end_lineno" else getattr(at, name)
                setattr(node, name, own)

    def _tuple(self, names: list[str], context: type = ast.Load) -> ast.expr:
        return ast.Tuple([ast.Name(name, context()) for name in names], context())

    def _call(
        self, what: str, at: ast.stmt, arguments: list[ast.expr], names: list[str]
    ) -> ast.stmt:
        values = [*arguments, self._tuple(names), _texts(names)]
        function = ast.Attribute(ast.Name(_RUNTIME, ast.Load()), what, ast.Load())
        call = ast.Call(function, values, [])
        made = ast.Assign([self._tuple(names, ast.Store)], call) if names else ast.Expr(call)
        self._place(made, at)
        return made

    def _for(self, loop: ast.For, defined: set[str]) -> list[ast.stmt]:
        iterated = loop.iter
        is_range = (
            isinstance(iterated, ast.Call)
            and isinstance(iterated.func, ast.Name)
            and iterated.func.id == "range"
        )
        breaks = breaks_of(loop)
        if not is_range:
            if breaks:
                guard = ast.If(ast.Name(breaks, ast.Load()), [ast.Pass()], loop.body)
                loop.body = [ast.fix_missing_locations(ast.copy_location(guard, loop))]
            inner = defined | set(_assigned([ast.Assign([loop.target], ast.Constant(0))]))
            loop.body = self.block(loop.body, inner)
            defined |= inner
            return [loop]
        assert isinstance(iterated, ast.Call)
        if iterated.keywords or not isinstance(loop.target, ast.Name):
            refuse(self.file, loop, "a kernel's loop is: for NAME in range(...)")
        target = loop.target.id
        carried = [name for name in _assigned(loop.body) if name in defined and name != target]
        body = self.block(loop.body, {*defined, target})
        function = self._function("body", loop, [target, *carried], body, self._tuple(carried))
        bounds = ast.Tuple(list(iterated.args), ast.Load())
        given: list[ast.expr] = [
            bounds,
            ast.Name(function.name, ast.Load()),
            ast.Constant(carried.index(breaks) if breaks else None),
        ]
        # Python would keep the last one.
        defined.discard(target)
        missing = self._missing(loop, target, _BEHIND_LOOP)
        return [function, self._call("loop", loop, given, carried), missing]

    def _missing(self, at: ast.stmt, name: str, why: str) -> ast.stmt:
        """The variable has no value from here on."""
        missing = ast.Attribute(ast.Name(_RUNTIME, ast.Load()), "missing", ast.Load())
        call = ast.Call(missing, [ast.Constant(f"{name} {why}")], [])
        made = ast.Assign([ast.Name(name, ast.Store())], call)
        self._place(made, at)
        return made

    def _while(self, loop: ast.While, defined: set[str]) -> list[ast.stmt]:
        if breaks := breaks_of(loop):
            return self._breaking_while(loop, breaks, defined)
        carried = [name for name in _assigned(loop.body) if name in defined]
        condition = self._function("condition", loop, carried, [], loop.test)
        body = self.block(loop.body, set(defined))
        function = self._function("body", loop, carried, body, self._tuple(carried))
        functions: list[ast.expr] = [
            ast.Name(condition.name, ast.Load()),
            ast.Name(function.name, ast.Load()),
        ]
        return [condition, function, self._call("repeat", loop, functions, carried)]

    def _breaking_while(self, loop: ast.While, breaks: str, defined: set[str]) -> list[ast.stmt]:
        """Asks for the condition behind the body, and only where that has not ended the loop."""
        self.count += 1
        name = f"_weft_going_{self.count}"

        def going(value: ast.expr) -> ast.stmt:
            made = ast.Assign([ast.Name(name, ast.Store())], value)
            return ast.fix_missing_locations(ast.copy_location(made, loop))

        first, again = going(loop.test), going(copy.deepcopy(loop.test))
        choice = ast.If(ast.Name(breaks, ast.Load()), [going(ast.Constant(False))], [again])
        loop.body.append(ast.fix_missing_locations(ast.copy_location(choice, loop)))
        loop.test = ast.copy_location(ast.Name(name, ast.Load()), loop)
        loop._weft_breaks = None  # type: ignore[attr-defined]
        return self.block([first, loop], defined)

    def _if(self, choice: ast.If, defined: set[str]) -> list[ast.stmt]:
        names = sorted({*_assigned(choice.body), *_assigned(choice.orelse)})
        both = {*_assigned(choice.body)} & {*_assigned(choice.orelse)}
        kept = _texts([name for name in names if name in both or name in defined])
        before = [self._missing(choice, name, ONE_BRANCH) for name in names if name not in defined]
        branches: list[ast.stmt] = []
        for part in (choice.body, choice.orelse):
            body = self.block(part, set(defined))
            branches.append(self._function("branch", choice, names, body, self._tuple(names)))
        defined |= set(names)
        functions: list[ast.expr] = [
            ast.Name(branch.name, ast.Load())
            for branch in branches
            if isinstance(branch, ast.FunctionDef)
        ]
        arguments = [choice.test, *functions, kept]
        return [*before, *branches, self._call("branch", choice, arguments, names)]
