# lit's configuration: FileCheck tests over weft-opt, and programs that must fail well in errors/.
# `config` and `lit_config` are put here by lit.

import os
import sys

import lit.formats

config.name = "weft"
config.test_format = lit.formats.ShTest(execute_external=False)
config.suffixes = [".mlir"]
config.excludes = ["Inputs", "house", "python", "unit"]
config.test_source_root = os.path.dirname(__file__)
config.test_exec_root = os.path.join(config.weft_build_root, "test")

config.environment["PATH"] = os.pathsep.join(
    [
        os.path.join(config.weft_build_root, "bin"),
        config.llvm_tools,
        config.environment["PATH"],
    ]
)
config.environment["PYTHONPATH"] = os.path.join(config.weft_build_root, "python")
config.environment["WEFT_CACHE_DIR"] = os.path.join(config.weft_build_root, "test", "cache")

config.substitutions += [
    ("%cc", config.c_compiler),
    ("%include", os.path.join(config.weft_source_root, "include")),
    ("%python", config.weft_python or sys.executable),
]
