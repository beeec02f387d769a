// The table of templates. To add one: a file beside this, a declaration and an entry here.
#include "codegen/Templates/Table.h"
#include "codegen/Target.h"
#include "codegen/Templates/KernelTemplate.h"

using namespace mlir;

namespace weft {

const KernelTemplate &elementwiseTemplate();
const KernelTemplate &rowsTemplate();
const KernelTemplate &columnsTemplate();
const KernelTemplate &contractionTemplate();
const KernelTemplate &updateTemplate();
const KernelTemplate &scanTemplate();
const KernelTemplate &sortTemplate();
const KernelTemplate &attentionTemplate();
const KernelTemplate &libraryTemplate();
const KernelTemplate &collectiveTemplate();
const KernelTemplate &quantizedMatmulTemplate();
const KernelTemplate &quantizedDotTemplate();
const KernelTemplate &programTemplate();

ArrayRef<const KernelTemplate *> kernelTemplates() {
  static const KernelTemplate *const table[] = {&elementwiseTemplate(),
                                                &rowsTemplate(),
                                                &columnsTemplate(),
                                                &contractionTemplate(),
                                                &updateTemplate(),
                                                &scanTemplate(),
                                                &sortTemplate(),
                                                &attentionTemplate(),
                                                &libraryTemplate(),
                                                &collectiveTemplate(),
                                                &quantizedMatmulTemplate(),
                                                &quantizedDotTemplate(),
                                                &programTemplate()};
  return table;
}

namespace {

class CodeGeneration : public CodeGenerationInterface {
public:
  using CodeGenerationInterface::CodeGenerationInterface;

  ArrayRef<const Template *> templates() const override {
    static const SmallVector<const Template *> all(kernelTemplates());
    return all;
  }

  FailureOr<ScheduleAttrInterface> chooseSchedule(StringRef name, KernelOp kernel,
                                                  LaunchOp launch) const override {
    const Target *target = Target::byName(name);
    if (!target)
      return kernel.emitOpError() << "can't be scheduled for the target " << name
                                  << ", which there is not; there are " << Target::names();
    const KernelTemplate *kind = kernelTemplateOf(kernel);
    if (!kind)
      return kernel.emitOpError() << "has ops of two kinds of kernels, or of none";
    ScheduleAttrInterface schedule = target->choose(*kind, kernel, launch);
    if (!schedule)
      return failure();
    return schedule;
  }
};

} // namespace

void registerCodeGeneration(DialectRegistry &registry) {
  registry.addExtension(
      +[](MLIRContext *, WeftDialect *dialect) { dialect->addInterfaces<CodeGeneration>(); });
}

} // namespace weft
