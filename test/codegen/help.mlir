// weft-opt --help lists each pass with a line that says what it does.
// RUN: weft-opt --help | FileCheck %s

// CHECK: --weft-collapse-dimensions - Merge dimensions of kernels that are always walked together
// CHECK: --weft-decompose - Replace composite ops (softmax, conv2d, layer_norm, ...) by the ops that define them
// CHECK: --weft-deduplicate-kernels - Keep one of kernels that are equal, and name it by its contents
// CHECK: --weft-differentiate - Make functions that ask for it return their gradients too
// CHECK: --weft-emit-loops - Replace scheduled kernels by functions of loops over vectors
// CHECK: --weft-expand-math - Replace math operations by Weft's own arithmetic expansions
// CHECK: --weft-fuse - Outline groups of ops into kernels that are generic in their sizes
// CHECK: --weft-lower-to-llvm - Lower functions of loops over vectors to the LLVM dialect
// CHECK: --weft-name-sizes - Write symbolic sizes by name, the inverse of weft-resolve-sizes
// CHECK: --weft-plan-memory - Give the results of launches that do not leave the function places in one arena
// CHECK: --weft-resolve-sizes - Replace dynamic dimensions by handles of symbolic sizes, as all other passes expect
// CHECK: --weft-schedule - Choose for each kernel its template, vector lanes, register tile and packing
// CHECK: --target=<string> - The processor or GPU, by name: native, x86-64-v3, cuda:sm_80, ...
// CHECK: --weft-sink-reshapes - Move reshapes behind elementwise ops, so that what they separate can be fused
// CHECK: --weft-sink-transposes - Move transposes behind elementwise ops, so that those of neighbouring layers cancel
// CHECK: --weft-split-concatenations - Concatenate many tensors in several steps, so that no kernel reads too many
// CHECK: --weft-split-reductions - Reduce one group of neighbouring axes at a time, the innermost first
// CHECK: --weft-pipeline=<target> - Run Weft's own pipeline for a target

// Each pass that is declared is there; weft-expand-math is declared by hand.
// RUN: cat %S/../../passes/*Passes.td %S/../../codegen/Passes.td | sed -nE 's/^def .*Pass<"(weft-[a-z-]+)".*/\1/p' | sort > %t.declared
// RUN: weft-opt --help | sed -nE 's/^ +--(weft-[a-z-]+) .*/\1/p' | grep -v weft-expand-math | sort > %t.listed
// RUN: diff %t.declared %t.listed
