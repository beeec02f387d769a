// The kinds of kernels, as passes see them.
#pragma once

#include "dialects/Weft/IR/Weft.h"
#include "mlir/IR/DialectInterface.h"

namespace weft {

struct FusionGroup;
struct WorkTerm;

/// A kind of kernel: how a group of ops around it grows, and what it does. How it is scheduled and
/// emitted, code generation knows (codegen/Templates/KernelTemplate.h).
///
/// A kernel has one leading op, which its template claims, or several of one kind, and ops that are
/// computed element by element before and behind. A kernel of such ops alone is of the template
/// that claims them, the elementwise one.
class Template {
public:
  virtual ~Template() = default;

  /// As in messages: "rows".
  virtual llvm::StringRef name() const = 0;
  /// Why a kernel of this kind ends where it does, for `explain()`.
  virtual llvm::StringRef reason() const = 0;

  /// True if `op` leads kernels of this kind. One template at most claims an op.
  virtual bool claims(mlir::Operation *op) const = 0;

  /// True if the claimed `op` can lead a kernel in which the ops of `group` come behind it, or, in
  /// a group of this kind, beside it.
  virtual bool canLead(mlir::Operation *op, const FusionGroup &group) const;
  /// Makes `group`, which `op` leads from now on, one of this kind.
  virtual void lead(mlir::Operation *op, FusionGroup &group) const;

  /// True if a claimed op reads the operand from memory, so that nothing that computes it can be in
  /// the kernel.
  virtual bool readsMemory(mlir::OpOperand &) const { return false; }
  /// True if a kernel on a processor reads the operand of a claimed op only where its task writes
  /// results of the operand's type, and all of it before it writes any of them, so that they can be
  /// in the memory of what the operand is computed from element by element.
  virtual bool readsAhead(mlir::OpOperand &) const { return false; }
  /// True if each row of the group's domain is walked at once, several times if need be: its own
  /// values may be read all along it, and computing them again in another pass is cheap.
  virtual bool walksRows() const { return false; }
  /// True if an op that joins the group can have a result of `shape` that others read too.
  virtual bool canYield(llvm::ArrayRef<int64_t> shape, const FusionGroup &group) const;

  /// The floating-point operations of a claimed op, a fused multiply-add counting as two.
  virtual WorkTerm operationsOf(mlir::Operation *op) const;

protected:
  /// True if `op` computes just the elements that the group's ops, all elementwise, work on.
  static bool precedesElementwise(mlir::Operation *op, const FusionGroup &group);
  /// True if they compute what is in a frame, and `op` all of that.
  static bool precedesFrame(mlir::Operation *op, const FusionGroup &group);
};

/// What code generation tells the passes: an interface of the dialect, as passes come before it.
/// `registerCodeGeneration` (codegen/Templates/Table.h) adds it.
class CodeGenerationInterface : public mlir::DialectInterface::Base<CodeGenerationInterface> {
public:
  CodeGenerationInterface(mlir::Dialect *dialect) : Base(dialect) {}
  virtual llvm::ArrayRef<const Template *> templates() const = 0;
  /// How the kernel runs on the target of this name, one launch of it being `launch`, which may be
  /// null. Fails if there is no such target, or it can't run the kernel, with a diagnostic.
  virtual mlir::FailureOr<ScheduleAttrInterface>
  chooseSchedule(llvm::StringRef target, KernelOp kernel, LaunchOp launch) const = 0;

  static const CodeGenerationInterface &of(mlir::MLIRContext *context);
};

/// The template that claims `op`; null if no kernel can have it.
const Template *templateClaiming(mlir::Operation *op);
/// The template of a kernel: that of its leading ops. Null if they are of two, or of none.
const Template *templateOf(KernelOp kernel);

/// True if the op computes elements one by one: it can be in kernels of any kind.
bool isElementByElement(mlir::Operation *op);

} // namespace weft
