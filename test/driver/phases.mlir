// Named passes run after the phases of the pipeline, and --dump-pass-pipeline shows all of them.
// RUN: weft-opt %s --weft-pipeline=x86-64-v3 --from=fuse --until=fuse --symbol-dce --dump-pass-pipeline -o /dev/null 2>&1 \
// RUN:   | FileCheck %s --check-prefix=PIPELINE
//      PIPELINE: builtin.module(
//      PIPELINE:   weft-fuse{reads-parts=true stores-in-frames=true},
// PIPELINE-NEXT:   weft-collapse-dimensions,
//      PIPELINE:   symbol-dce
// PIPELINE-NEXT: )

// What is dumped can be given back.
// RUN: weft-opt %s --weft-pipeline=x86-64-v3 --dump-pass-pipeline -o /dev/null 2>&1 | sed 1d > %t.pipeline
// RUN: bash -c 'weft-opt %s --pass-pipeline="$(cat %t.pipeline)"' > %t.text
// RUN: weft-opt %s --weft-pipeline=x86-64-v3 | diff %t.text -

// Phases in the wrong order, and phases of no pipeline.
// RUN: not weft-opt %s --weft-pipeline=cpu --from=plan --until=fuse 2>&1 | FileCheck %s --check-prefix=ORDER
// RUN: not weft-opt %s --until=fuse 2>&1 | FileCheck %s --check-prefix=NONE
// ORDER: weft-opt: --from=plan comes after --until=fuse; the phases are differentiate, simplify, fuse
// NONE: weft-opt: --from and --until name phases of --weft-pipeline, which is not given

// Unknown passes and options are told.
// RUN: not weft-opt %s --weft-fusion 2>&1 | FileCheck %s --check-prefix=OPTION
// RUN: not weft-opt %s --pass-pipeline='builtin.module(weft-fusion)' 2>&1 | FileCheck %s --check-prefix=PASS
// RUN: not weft-opt %s --weft-schedule=lanes=4 2>&1 | FileCheck %s --check-prefix=PASS-OPTION
// OPTION: Unknown command line argument '--weft-fusion'
// PASS: 'weft-fusion' does not refer to a registered pass or pass pipeline
// PASS-OPTION: no such option lanes

func.func @f(%x: tensor<3xf32>) -> tensor<3xf32> {
  %0 = weft.exp %x : tensor<3xf32>
  return %0 : tensor<3xf32>
}
