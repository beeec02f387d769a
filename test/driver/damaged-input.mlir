// Input that would crash MLIR's readers is one clear error: it is read in a child process first.
// RUN: not weft-opt %S/Inputs/crashes-the-reader.mlirbc 2>&1 | FileCheck %s --check-prefix=BYTECODE --implicit-check-not=PLEASE
// RUN: not weft-reduce %S/Inputs/crashes-the-reader.mlirbc --test=true 2>&1 | FileCheck %s --check-prefix=REDUCE --implicit-check-not=PLEASE
// RUN: not weft-opt %S/Inputs/refused-silently.mlirbc 2>&1 | FileCheck %s --check-prefix=SILENT
// BYTECODE: weft-opt: {{.*}}crashes-the-reader.mlirbc: error: this bytecode file is damaged: reading it crashes or takes too much memory
// REDUCE: weft-reduce: {{.*}}crashes-the-reader.mlirbc: error: this bytecode file is damaged
// SILENT: weft-opt: {{.*}}refused-silently.mlirbc: error: this bytecode file is damaged: it has no well formed module

// A developer of the reader wants the crash itself.
// RUN: not --crash weft-opt %S/Inputs/crashes-the-reader.mlirbc --read-directly

// Text without end: brackets, signs, terms, names of names, and what grows when it is printed.
// RUN: %python -c "print('func.func private @f() attributes {a = ' + '[' * 100000)" > %t.brackets
// RUN: %python -c "print('func.func private @f(' + 'tuple<' * 100000)" > %t.types
// RUN: %python -c "print('module {' * 100000)" > %t.regions
// RUN: %python -c "print('func.func private @f() attributes {a = affine_map<(d0) -> (' + '-' * 100000 + 'd0)>}')" > %t.signs
// RUN: %python -c "print('func.func private @f() attributes {a = affine_map<(d0) -> (d0' + ' + d0' * 100000 + ')>}')" > %t.terms
// RUN: %python -c "print('#a0 = 1'); [print(f'#a{i + 1} = [#a{i}]') for i in range(100000)]; print('func.func private @f() attributes {a = #a100000}')" > %t.names
// RUN: not weft-opt %t.brackets 2>&1 | FileCheck %s --check-prefix=DEEP --implicit-check-not=PLEASE
// RUN: not weft-opt %t.types 2>&1 | FileCheck %s --check-prefix=DEEP --implicit-check-not=PLEASE
// RUN: not weft-opt %t.regions 2>&1 | FileCheck %s --check-prefix=DEEP --implicit-check-not=PLEASE
// RUN: not weft-opt %t.signs 2>&1 | FileCheck %s --check-prefix=DEEP --implicit-check-not=PLEASE
// RUN: not weft-opt %t.terms 2>&1 | FileCheck %s --check-prefix=DEEP --implicit-check-not=PLEASE
// RUN: not weft-opt %t.names 2>&1 | FileCheck %s --check-prefix=DEEP --implicit-check-not=PLEASE
// DEEP: weft-opt: {{.*}}: error: this file can't be read: reading it crashes or takes too much memory, as text does that is nested too deep

// Bytes without alignment.
// RUN: printf 'func.func private @f() attributes {a = dense_resource<r> : tensor<1xi32>}\n{-# dialect_resources: {builtin: {r: "0x0000000000000000"}} #-}' > %t.resource
// RUN: not weft-opt %t.resource 2>&1 | FileCheck %s --check-prefix=RESOURCE
// RESOURCE: error: this file can't be read

// Sizes that no machine has are numbers like others, as long as nobody stores the elements.
// RUN: weft-opt %s --canonicalize | FileCheck %s
// CHECK: dense<1.000000e+00> : tensor<1000000000000xf32>
func.func @large() -> tensor<1000000000000xf32> {
  %0 = weft.constant dense<1.0> : tensor<1000000000000xf32> : tensor<1000000000000xf32>
  return %0 : tensor<1000000000000xf32>
}

// A saved program is checked before its IR is read.
// RUN: %python -c "import sys; sys.stdout.buffer.write(b'\x89WEFT\r\n\x1a' + bytes(100))" > %t.weft
// RUN: not weft-opt %t.weft 2>&1 | FileCheck %s --check-prefix=SAVED
// SAVED: weft-opt: {{.*}}.weft: is damaged: its header does not have the checksum that was written
