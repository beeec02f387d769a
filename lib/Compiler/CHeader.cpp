// The C header of a compiled model.
#include "lib/Compiler/CHeader.h"
#include "lib/Runtime/artifact/EmbeddedFiles.h"
#include "lib/Support/SymbolicSize.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/ADT/Twine.h"
#include "llvm/Support/raw_ostream.h"

namespace weft {

static std::string joined(llvm::ArrayRef<std::string> parts) { return llvm::join(parts, ", "); }

std::string tensorText(const ModelTensor &tensor) {
  std::vector<std::string> sizes;
  sizes.reserve(tensor.shape.size());
  for (int64_t size : tensor.shape)
    sizes.push_back(sizeText(size));
  return std::string(dtypeName(tensor.dtype)) + "[" + joined(sizes) + "]";
}

/// "[784, 1]", the strides in elements.
static std::string stridesText(const ModelTensor &tensor) {
  std::vector<std::string> strides(tensor.shape.size());
  int64_t stride = 1;
  for (size_t d = tensor.shape.size(); d-- > 0;) {
    strides[d] = sizeText(stride);
    stride = multiplySizes(stride, tensor.shape[d]);
  }
  return "[" + joined(strides) + "]";
}

static llvm::StringRef cType(DType dtype) {
  constexpr llvm::StringLiteral types[dtypeCount] = {
      "uint8_t",  "int8_t",   "int16_t", "int32_t", "int64_t",  "uint8_t",
      "uint16_t", "uint16_t", "float",   "double",  "uint16_t", "uint32_t",
      "uint64_t", "float",    "double",  "uint8_t", "uint8_t"};
  return types[static_cast<size_t>(dtype)];
}

static llvm::StringRef noteOn(DType dtype) {
  switch (dtype) {
  case DType::Bool:
    return "; each 0 or 1";
  case DType::Float16:
    return "; the bits of IEEE halfs";
  case DType::BFloat16:
    return "; the upper halfs of floats";
  case DType::Float8E4M3FN:
    return "; the bits of floats with 4 bits of exponent and 3 of mantissa";
  case DType::Float8E5M2:
    return "; the bits of floats with 5 bits of exponent and 2 of mantissa";
  case DType::Complex64:
  case DType::Complex128:
    return "; each a real and an imaginary part";
  default:
    return "";
  }
}

namespace {

class HeaderWriter {
public:
  HeaderWriter(const ModelSignature &signature, const HeaderFacts &facts)
      : signature(signature), facts(facts), out(text) {}

  std::string write() {
    // In the model's letters: net and Net are two models.
    std::string guard = facts.name + "_WEFT_H";
    out << "/* " << facts.name << ": a model compiled by " << facts.description
        << ". Generated; C99 and C++. */\n";
    out << "#ifndef " << guard << "\n#define " << guard << "\n\n";
    std::string_view shared = embeddedFile("model.h");
    out << llvm::StringRef(shared.data(), shared.size()) << "\n";
    out << "#ifdef __cplusplus\nextern \"C\" {\n#endif\n\n";
    out << "#define " << facts.name << "_ABI_VERSION 1\n\n";
    out << "typedef weft_options " << facts.name << "_options;\n";
    if (facts.weights != WeightsReader::Nothing)
      out << "typedef weft_weights " << facts.name << "_weights;\n";
    writeRun();
    writeInvoke();
    writeWorkspace();
    if (facts.weights != WeightsReader::Nothing)
      writeWeights();
    out << "\n/* What a status means, in words. Never NULL. */\nconst char *" << facts.name
        << "_error_text(int status);\n";
    out << "\n#ifdef __cplusplus\n}\n#endif\n\n#endif\n";
    return text;
  }

private:
  void describe(llvm::StringRef role, const std::vector<ModelTensor> &tensors) {
    for (const ModelTensor &tensor : tensors)
      out << " *   " << tensor.name << ": " << role << ", " << tensorText(tensor) << ", strides "
          << stridesText(tensor) << ", aligned to " << dtypeSize(partDType(tensor.dtype))
          << (dtypeSize(tensor.dtype) == 1 ? " byte" : " bytes") << noteOn(tensor.dtype) << "\n";
  }

  std::string sizesAsArguments() {
    std::vector<std::string> arguments;
    arguments.reserve(signature.symbols.size());
    for (const ModelSymbol &symbol : signature.symbols)
      arguments.push_back("int64_t " + symbol.parameter);
    return joined(arguments);
  }

  void writeRun() {
    out << "\n/* Computes the outputs from the inputs. Arrays are dense and row-major; one without "
           "elements\n * may be NULL. Outputs share no memory with other arguments. Calls may run "
           "at the same time on\n * different threads, if they do not share a workspace. Returns "
           "WEFT_OK or what is wrong, in which\n * case nothing was computed";
    if (facts.canFail)
      out << "; but for WEFT_ERROR_KERNEL, of which " << facts.name
          << "_error_text tells\n * this thread's last one";
    out << ".\n";
    for (const ModelSymbol &symbol : signature.symbols)
      out << " *   " << symbol.parameter << ": "
          << (symbol.parameter == symbol.name ? "size" : "the size " + symbol.name)
          << ", 0 or more\n";
    describe("input", signature.inputs);
    describe("output", signature.outputs);
    out << " *   options: may be NULL\n */\n";
    std::vector<std::string> arguments;
    if (!signature.symbols.empty())
      arguments.push_back(sizesAsArguments());
    for (const ModelTensor &input : signature.inputs)
      arguments.push_back("const " + cType(input.dtype).str() + " *" + input.name);
    for (const ModelTensor &output : signature.outputs)
      arguments.push_back(cType(output.dtype).str() + " *" + output.name);
    arguments.push_back("const " + facts.name + "_options *options");
    out << "int " << facts.name << "_run(" << joined(arguments) << ");\n";
  }

  void writeInvoke() {
    out << "\n/* The same for arrays that carry dtype and shape, all of which is checked. Inputs "
           "and "
           "outputs are in\n * the order above";
    if (!signature.symbols.empty())
      out << "; sizes are read from the inputs' shapes";
    out << ". */\nint " << facts.name
        << "_invoke(const weft_array *inputs, int64_t input_count, const weft_array *outputs,\n"
        << "    int64_t output_count, const " << facts.name << "_options *options);\n";
  }

  void writeWorkspace() {
    std::string sizes = sizesAsArguments();
    out << "\n/* Bytes of scratch memory that a call needs";
    if (!sizes.empty())
      out << "; UINT64_MAX if a size is negative or too large";
    out << ". Given in the options, it is\n * aligned to 64 bytes; without, "
        << (facts.allocates ? "each call uses malloc and free"
                            : "a call that needs some returns WEFT_ERROR_MEMORY")
        << ". */\nuint64_t " << facts.name << "_workspace_bytes("
        << (sizes.empty() ? "void" : sizes) << ");\n";
  }

  void writeWeights() {
    if (facts.weights == WeightsReader::Object)
      out << "\n/* Maps the file of weights that was written with this model, and checks that it "
             "is "
             "this file.\n * Its data and bytes are for the options. */\nint "
          << facts.name << "_map_weights(const char *path, " << facts.name
          << "_weights *weights);\nvoid " << facts.name << "_unmap_weights(" << facts.name
          << "_weights *weights);\n";
    out << "\n/* Checks that bytes which the program has read itself are those of that file. "
           "*/\nint "
        << facts.name << "_check_weights(const " << facts.name << "_weights *weights);\n";
  }

  const ModelSignature &signature;
  const HeaderFacts &facts;
  std::string text;
  llvm::raw_string_ostream out;
};

} // namespace

std::string cHeader(const ModelSignature &signature, const HeaderFacts &facts) {
  return HeaderWriter(signature, facts).write();
}

} // namespace weft
