// A file that is no MLIR at all, an empty one, and one that ends in the middle.
// RUN: printf '\377\376\000\001' > %t.binary
// RUN: not weft-opt %t.binary 2>&1 | FileCheck %s --check-prefix=BINARY --implicit-check-not=PLEASE
// RUN: printf 'func.func @f() {' > %t.cut
// RUN: not weft-opt %t.cut 2>&1 | FileCheck %s --check-prefix=CUT --implicit-check-not=PLEASE
// RUN: printf '' > %t.empty
// RUN: weft-opt %t.empty | FileCheck %s --check-prefix=EMPTY
// RUN: printf '<html></html>' > %t.page
// RUN: not weft-opt %t.page 2>&1 | FileCheck %s --check-prefix=PAGE --implicit-check-not=PLEASE
// BINARY: error:
// CUT: error: expected operation name in quotes
// EMPTY: module {
// PAGE: error: expected operation name in quotes
