"""This tree keeps the rules of the house, and each rule finds what breaks it."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import house_rules
import pytest

Rule = Callable[[Path], Iterator[str]]

OPERATIONS = "\n".join(
    f'def Weft_{name}Op : Weft_Op<"{name.lower()}", [Pure]> {{}}'
    for name in ("Add", "Sub", "Mul", "Kernel", "Launch", "Return")
)


@pytest.mark.parametrize("rule", house_rules.RULES, ids=lambda rule: rule.__name__)
def test_tree_keeps_the_rule(rule: Rule, repository: Path) -> None:
    broken = list(rule(repository))
    assert not broken, f"{rule.__doc__}\n" + "\n".join(broken)


def test_extension_shows_only_its_entry(build_folder: Path) -> None:
    libraries = list((build_folder / "python" / "weft").glob("_core*.so"))
    assert len(libraries) == 1
    assert house_rules.visible_symbols(libraries[0]) == ["PyInit__core"]


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


GOOD: list[tuple[Rule, dict[str, str]]] = [
    (
        house_rules.include_directions,
        {
            "passes/Passes.h": '#include "dialects/Weft/IR/Weft.h"\n#include "mlir/Pass/Pass.h"\n',
            "lib/Runtime/Plan.h": '#include "lib/Support/DType.h"\n#include "weft/abi.h"\n',
            "python/src/module.cpp": "#include <pybind11/pybind11.h>\n#include <vector>\n",
        },
    ),
    (
        house_rules.layers,
        {
            "lib/Trace/A.h": '#include "lib/Trace/B.h"\n',
            "lib/Trace/A.cpp": '#include "lib/Trace/A.h"\n#include "lib/Trace/C.h"\n',
            "lib/Trace/B.h": '#include "lib/Trace/C.h"\n',
        },
    ),
    (
        house_rules.one_test_per_pass,
        {
            "passes/fusion/FuseElementwise.cpp": (
                "struct FuseElementwise final\n"
                "    : public impl::FuseElementwiseBase<FuseElementwise> {\n};\n"
            ),
            "passes/fusion/Cost.cpp": "struct Cost {};\n",
            "test/passes/fuse-elementwise.mlir": "// RUN: weft-opt %s\n",
        },
    ),
    (
        house_rules.no_operation_names,
        {
            "dialects/Weft/IR/Ops.td": OPERATIONS,
            "passes/a/A.cpp": (
                "// Rewrites weft.add.\n"
                "bool f(Operation *op) { return isa<AddOp, KernelOp, LaunchOp, ReturnOp>(op); }\n"
                "auto g = SubOp::create(builder); // not MulOp\n"
                'auto name = "weft.schedule", kernel = "weft.kernel";\n'
            ),
            "dialects/Weft/Rules/R.cpp": "bool f = isa<AddOp, SubOp, MulOp>(op);\n",
        },
    ),
    (
        house_rules.docstrings,
        {
            "python/weft/__init__.py": '"""All."""\nfrom weft._a import f\n',
            "python/weft/_a.py": 'def f():\n    """Does."""\ndef g(): pass\n',
            "python/weft/b.py": (
                '"""B."""\nclass C:\n    """C."""\n    @property\n    def x(self):\n'
                '        """X."""\n    @x.setter\n    def x(self, v): pass\n'
                "    def _y(self): pass\n"
            ),
        },
    ),
    (house_rules.file_lengths, {"lib/Support/A.h": "\n" * 800}),
    (
        house_rules.function_lengths,
        {
            "lib/A.cpp": "namespace weft {\n"
            + "void f(int a,\n       int b) {\n"
            + "  g();\n" * 57
            + "}\n\n"
            + "struct S {\n  int f(int a) { return a; }\n"
            + "  int x;\n" * 90
            + "};\nconst int table[] = {\n"
            + "    f(1),\n" * 90
            + "};\n} // namespace weft\n",
            "tools/a.py": 'def f():\n    """A.\n' + "    text\n" * 90 + '    """\n    return 1\n',
        },
    ),
    (
        house_rules.clean_texts,
        {"docs/a.md": "reagents, /usr/lib/llvm-22, build/tm" + "p/x, https://llvm.org\n"},
    ),
]


@pytest.mark.parametrize(("rule", "files"), GOOD, ids=lambda value: getattr(value, "__name__", ""))
def test_rule_leaves_good_trees_alone(rule: Rule, files: dict[str, str], tmp_path: Path) -> None:
    write(tmp_path, files)
    assert list(rule(tmp_path)) == []


LONG_BODY = "  g();\n" * 60
BAD: list[tuple[Rule, str, dict[str, str]]] = [
    (
        house_rules.include_directions,
        "dialects/Weft/IR/A.h:2",
        {"dialects/Weft/IR/A.h": '\n#include "passes/Passes.h"\n'},
    ),
    (
        house_rules.include_directions,
        "lib/Runtime/A.h:1",
        {"lib/Runtime/A.h": '#include "mlir/IR/Value.h"\n'},
    ),
    (
        house_rules.include_directions,
        "codegen/CPU/A.cpp:1",
        {"codegen/CPU/A.cpp": '#include "lib/Runtime/Plan.h"\n'},
    ),
    (
        house_rules.include_directions,
        "lib/Compiler/A.cpp:1",
        {"lib/Compiler/A.cpp": "#include <Python.h>\n"},
    ),
    (
        house_rules.include_directions,
        "passes/a/A.cpp:1",
        {"passes/a/A.cpp": '#include "B.h"\n', "passes/a/B.h": ""},
    ),
    (
        house_rules.layers,
        "lib/Trace/A",
        {
            "lib/Trace/A.h": '#include "lib/Trace/B.h"\n',
            "lib/Trace/B.cpp": '#include "lib/Trace/C.h"\n',
            "lib/Trace/C.cpp": '#include "lib/Trace/A.h"\n',
        },
    ),
    (
        house_rules.one_test_per_pass,
        "passes/plan/PlanMemory.cpp:1",
        {"passes/plan/PlanMemory.cpp": "class PlanMemory : PassWrapper<PlanMemory> {};\n"},
    ),
    (
        house_rules.one_test_per_pass,
        "passes/plan/A.cpp:2",
        {
            "passes/plan/A.cpp": "struct A : impl::ABase<A> {};\nclass B : PassWrapper<B> {};\n",
            "test/passes/a.mlir": "",
        },
    ),
    (
        house_rules.one_test_per_pass,
        "passes/plan/A.cpp:1",
        {"passes/plan/A.cpp": "struct B : impl::BBase<B> {};\n", "test/passes/a.mlir": ""},
    ),
    *(
        (
            house_rules.no_operation_names,
            "passes/a/A.cpp:2",
            {"dialects/Weft/IR/Ops.td": OPERATIONS, "passes/a/A.cpp": "\n" + code},
        )
        for code in (
            "bool f = isa<AddOp>(op);\n",
            "weft::SubOp f;\n",
            "auto f = s.Case<MulOp>([] { h(); });\n",
            'bool f = op->getName().getStringRef() == "weft.add";\n',
        )
    ),
    (house_rules.docstrings, "python/weft/a.py:1", {"python/weft/a.py": "x = 1\n"}),
    (
        house_rules.docstrings,
        "python/weft/a.py:4",
        {"python/weft/a.py": '"""A."""\nclass C:\n    """C."""\n    def f(self): pass\n'},
    ),
    (
        house_rules.docstrings,
        "python/weft/_a.py:1",
        {
            "python/weft/__init__.py": '"""A."""\nfrom ._a import f\n',
            "python/weft/_a.py": "def f(): pass\n",
        },
    ),
    (house_rules.file_lengths, "python/a.py:801", {"python/a.py": "\n" * 801}),
    (
        house_rules.function_lengths,
        "lib/A.cpp:2",
        {"lib/A.cpp": "namespace weft {\nvoid f() {\n" + LONG_BODY + "}\n}\n"},
    ),
    (
        house_rules.function_lengths,
        "lib/A.h:4",
        {
            "lib/A.h": "class A\n    : public B {\npublic:\n"
            "  template <class T> int f(\n      T a) {\n" + LONG_BODY + "  }\n};\n"
        },
    ),
    (
        house_rules.function_lengths,
        "tools/a.py:1",
        {"tools/a.py": "def f():\n" + "    g()\n" * 60},
    ),
    *(
        (house_rules.clean_texts, "docs/a.md:2", {"docs/a.md": f"\n{text}\n"})
        for text in (
            "an Ag" + "ent",
            "two ses" + "sions",
            "see /ho" + "me/someone",
            "see `/ro" + "ot/x`",
            "from py" + "pi.org",
        )
    ),
]


@pytest.mark.parametrize(("rule", "place", "files"), BAD)
def test_rule_finds_the_place(
    rule: Rule, place: str, files: dict[str, str], tmp_path: Path
) -> None:
    write(tmp_path, files)
    broken = list(rule(tmp_path))
    assert len(broken) == 1
    assert broken[0].startswith(place + ":")


def test_each_rule_is_shown_to_fail() -> None:
    assert {rule for rule, _, _ in BAD} == set(house_rules.RULES)


def test_visible_symbols_are_found(tmp_path: Path) -> None:
    source = tmp_path / "a.c"
    source.write_text(
        "int PyInit__core(void) { return 0; }\nint leak(void) { return 1; }\n"
        '__attribute__((visibility("hidden"))) int kept(void) { return 2; }\n'
    )
    library = tmp_path / "a.so"
    compiler = ["/usr/lib/llvm-22/bin/clang", "-shared", "-fPIC", "-o", str(library), str(source)]
    subprocess.run(compiler, check=True)
    assert house_rules.visible_symbols(library) == ["PyInit__core", "leak"]
