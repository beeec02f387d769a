; Intrinsics whose results C++ can't name.

define void @loadMatrices4(ptr %result, ptr addrspace(3) %row) alwaysinline convergent {
  %words = call {i32, i32, i32, i32} @llvm.nvvm.ldmatrix.sync.aligned.m8n8.x4.b16.p3(ptr addrspace(3) %row)
  store {i32, i32, i32, i32} %words, ptr %result
  ret void
}

define void @loadMatricesTransposed4(ptr %result, ptr addrspace(3) %row) alwaysinline convergent {
  %words = call {i32, i32, i32, i32} @llvm.nvvm.ldmatrix.sync.aligned.m8n8.x4.trans.b16.p3(ptr addrspace(3) %row)
  store {i32, i32, i32, i32} %words, ptr %result
  ret void
}

define void @multiply(ptr %accumulators, ptr %a, ptr %b) alwaysinline convergent {
  %as = load {i32, i32, i32, i32}, ptr %a
  %bs = load {i32, i32}, ptr %b
  %cs = load {float, float, float, float}, ptr %accumulators
  %a0 = extractvalue {i32, i32, i32, i32} %as, 0
  %a1 = extractvalue {i32, i32, i32, i32} %as, 1
  %a2 = extractvalue {i32, i32, i32, i32} %as, 2
  %a3 = extractvalue {i32, i32, i32, i32} %as, 3
  %b0 = extractvalue {i32, i32} %bs, 0
  %b1 = extractvalue {i32, i32} %bs, 1
  %c0 = extractvalue {float, float, float, float} %cs, 0
  %c1 = extractvalue {float, float, float, float} %cs, 1
  %c2 = extractvalue {float, float, float, float} %cs, 2
  %c3 = extractvalue {float, float, float, float} %cs, 3
  %ds = call {float, float, float, float} @llvm.nvvm.mma.m16n8k16.row.col.bf16(i32 %a0, i32 %a1, i32 %a2, i32 %a3, i32 %b0, i32 %b1, float %c0, float %c1, float %c2, float %c3)
  store {float, float, float, float} %ds, ptr %accumulators
  ret void
}

define zeroext i1 @electLane() alwaysinline convergent {
  %result = call {i32, i1} @llvm.nvvm.elect.sync(i32 -1)
  %elected = extractvalue {i32, i1} %result, 1
  ret i1 %elected
}

declare {i32, i32, i32, i32} @llvm.nvvm.ldmatrix.sync.aligned.m8n8.x4.b16.p3(ptr addrspace(3))
declare {i32, i32, i32, i32} @llvm.nvvm.ldmatrix.sync.aligned.m8n8.x4.trans.b16.p3(ptr addrspace(3))
declare {float, float, float, float} @llvm.nvvm.mma.m16n8k16.row.col.bf16(i32, i32, i32, i32, i32, i32, float, float, float, float)
declare {i32, i1} @llvm.nvvm.elect.sync(i32)
