// The JavaScript that calls a model compiled to WebAssembly.
#include "lib/Compiler/JavaScriptModule.h"
#include "lib/Compiler/CHeader.h"
#include "lib/Runtime/artifact/EmbeddedFiles.h"
#include "lib/Support/Error.h"
#include "lib/Support/SymbolicSize.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/raw_ostream.h"

namespace weft {

std::string declarationsPath(llvm::StringRef script) {
  for (llvm::StringRef ending : {".js", ".mjs"})
    if (script.ends_with(ending))
      return (script.drop_back(ending.size()) + ".d" +
              (ending == ".js" ? llvm::StringRef(".ts") : llvm::StringRef(".mts")))
          .str();
  throw Error(Error::Kind::Value, script.str() + ": the JavaScript's name has to end in .js or "
                                                 ".mjs; its types go beside it");
}

static std::string quoted(llvm::StringRef text) {
  std::string result;
  llvm::raw_string_ostream(result) << llvm::json::Value(llvm::json::fixUTF8(text));
  return result;
}

/// The typed array for the elements; as in model.js.
static llvm::StringRef arrayOf(DType dtype) {
  constexpr llvm::StringLiteral kinds[dtypeCount] = {
      "Uint8Array",  "Int8Array",   "Int16Array",     "Int32Array",   "BigInt64Array",
      "Uint8Array",  "Uint16Array", "Uint16Array",    "Float32Array", "Float64Array",
      "Uint16Array", "Uint32Array", "BigUint64Array", "Float32Array", "Float64Array",
      "Uint8Array",  "Uint8Array"};
  return kinds[static_cast<size_t>(dtype)];
}

static llvm::StringRef noteOn(DType dtype) {
  switch (dtype) {
  case DType::Bool:
    return "; each 0 or 1";
  case DType::Float16:
  case DType::BFloat16:
  case DType::Float8E4M3FN:
  case DType::Float8E5M2:
    return "; their bits";
  case DType::Complex64:
  case DType::Complex128:
    return "; real and imaginary parts in turn";
  default:
    return "";
  }
}

/// A name as a parameter: words that JavaScript and C++ share have an underscore already.
static std::string parameterName(const std::string &name) {
  static const llvm::StringSet<> words = {
      "arguments",  "await",  "debugger", "eval",       "extends",   "finally", "function",
      "implements", "import", "in",       "instanceof", "interface", "let",     "null",
      "package",    "super",  "var",      "with",       "yield"};
  return words.contains(name) ? name + "_" : name;
}

namespace {

class ScriptWriter {
public:
  ScriptWriter(const ModelSignature &signature, const JavaScriptFacts &facts)
      : signature(signature), facts(facts), out(text) {}

  std::string script() {
    if (facts.name == "then" || facts.name == "__proto__")
      throw Error(Error::Kind::Value, "the name \"" + facts.name +
                                          "\" means something else to JavaScript; give another");
    out << "// " << facts.name << ": a model compiled by " << facts.description
        << ". Generated; an ES module that needs no other.\n//\n"
        << "//   import { load } from " << quoted("./" + facts.script) << ";\n"
        << "//   const model = await load();\n//   const result = model." << facts.name << "("
        << joined(signature.inputs, [](const ModelTensor &input) { return input.name; })
        << ");\n//\n// An argument is a typed array or { data, shape }. What is given and "
           "returned:\n";
    describe("//   ", "input", signature.inputs);
    describe("//   ", "output", signature.outputs);
    out << "\nconst NAME = " << quoted(facts.name) << ";\nconst FILE = " << quoted(facts.file)
        << ";\nconst WEIGHTS = " << (facts.weights.empty() ? "null" : quoted(facts.weights))
        << ";\n\n// The symbolic sizes, and the dimensions that they are read from.\n"
        << "const symbols = [";
    for (const ModelSymbol &symbol : signature.symbols)
      out << "\n  { name: " << quoted(symbol.parameter) << ", input: " << symbol.input
          << ", dimension: " << symbol.dimension << " },";
    out << (signature.symbols.empty() ? "" : "\n") << "];\n";
    writeTensors("inputs", signature.inputs);
    writeTensors("outputs", signature.outputs);
    std::string_view shared = embeddedFile("model.js");
    out << llvm::StringRef(shared.data(), shared.size());
    return text;
  }

  std::string declarations() {
    out << "// Types of " << facts.script << ". Generated.\n\n"
        << "/** A dense, row-major array. */\nexport interface Tensor<Data> {\n  data: Data;\n"
        << "  shape: number[];\n  dtype: string;\n}\n"
        << "/** An argument; sizes that are open can be told from a shape, or from the length of "
           "the data. */\n"
        << "export type Given<Data> = Data | { data: Data; shape: readonly number[] };\n\n";
    out << "export interface Inputs {\n";
    for (const ModelTensor &input : signature.inputs)
      out << comment(input) << "  " << input.name << ": " << givenType(input) << ";\n";
    out << "}\n";
    writeResult();
    out << "\nexport interface Model {\n  " << facts.name << "(inputs: Inputs): Outputs;\n  "
        << facts.name << "("
        << joined(signature.inputs,
                  [](const ModelTensor &input) {
                    return parameterName(input.name) + ": " + givenType(input);
                  })
        << "): Outputs;\n}\n\n/** What the model takes and gives. */\n"
        << "export interface Description {\n  name: string;\n  dtype: string;\n"
        << "  shape: (number | string)[];\n"
        << "  dimensions(size: Record<string, number>): number[];\n}\n"
        << "export const inputs: Description[];\nexport const outputs: Description[];\n\n"
        << "export type Source = string | URL | BufferSource;\n"
        << "export function load(source?: Source | WebAssembly.Module, weights?: Source): "
           "Promise<Model>;\n";
    return text;
  }

private:
  template <typename Text>
  static std::string joined(const std::vector<ModelTensor> &tensors, Text textOf) {
    std::vector<std::string> parts;
    for (const ModelTensor &tensor : tensors)
      parts.push_back(textOf(tensor));
    return llvm::join(parts, ", ");
  }

  static std::string givenType(const ModelTensor &tensor) {
    bool isNumber = tensor.shape.empty() &&
                    noteOn(tensor.dtype).find("bits") == llvm::StringRef::npos &&
                    partDType(tensor.dtype) == tensor.dtype;
    return ("Given<" + arrayOf(tensor.dtype) + ">" +
            (isNumber ? " | number | bigint | boolean" : ""))
        .str();
  }

  static std::string comment(const ModelTensor &tensor) {
    return "  /** " + tensorText(tensor) + noteOn(tensor.dtype).str() + " */\n";
  }

  void describe(llvm::StringRef margin, llvm::StringRef role,
                const std::vector<ModelTensor> &tensors) {
    for (const ModelTensor &tensor : tensors)
      out << margin << tensor.name << ": " << role << ", " << tensorText(tensor) << ", a "
          << arrayOf(tensor.dtype) << noteOn(tensor.dtype) << "\n";
  }

  void writeResult() {
    if (signature.outputs.size() == 1) {
      const ModelTensor &output = signature.outputs.front();
      out << "\n/** " << output.name << ": " << tensorText(output) << noteOn(output.dtype)
          << " */\nexport type Outputs = Tensor<" << arrayOf(output.dtype) << ">;\n";
      return;
    }
    out << "\nexport interface Outputs {\n";
    for (const ModelTensor &output : signature.outputs)
      out << comment(output) << "  " << output.name << ": Tensor<" << arrayOf(output.dtype)
          << ">;\n";
    out << "}\n";
  }

  /// A size as JavaScript computes it.
  std::string expression(int64_t size) const {
    if (!isSymbolicSize(size))
      return std::to_string(size);
    std::vector<std::string> terms;
    for (const auto &[factors, coefficient] : expressionOf(size)) {
      std::vector<std::string> parts;
      if (coefficient != 1 || factors.empty())
        parts.push_back(std::to_string(coefficient));
      for (const SizeFactor &factor : factors)
        parts.push_back(factor.symbol.empty() ? "Math.floor((" + expression(factor.dividend) +
                                                    ") / " + std::to_string(factor.divisor) + ")"
                                              : "size." + parameterOf(factor.symbol));
      terms.push_back(llvm::join(parts, " * "));
    }
    return terms.empty() ? "0" : llvm::join(terms, " + ");
  }

  std::string parameterOf(llvm::StringRef symbol) const {
    for (const ModelSymbol &known : signature.symbols)
      if (known.name == symbol)
        return known.parameter;
    llvm_unreachable("a size names symbols of the model");
  }

  void writeTensors(llvm::StringRef role, const std::vector<ModelTensor> &tensors) {
    out << "\nexport const " << role << " = [";
    for (const ModelTensor &tensor : tensors) {
      std::vector<std::string> sizes, expressions;
      for (int64_t size : tensor.shape) {
        sizes.push_back(isSymbolicSize(size) ? quoted(sizeText(size)) : std::to_string(size));
        expressions.push_back(expression(size));
      }
      out << "\n  {\n    name: " << quoted(tensor.name)
          << ",\n    dtype: " << quoted(dtypeName(tensor.dtype)) << ",\n    shape: ["
          << llvm::join(sizes, ", ") << "],\n    dimensions: (size) => ["
          << llvm::join(expressions, ", ") << "],\n  },";
    }
    out << (tensors.empty() ? "" : "\n") << "];\n";
  }

  const ModelSignature &signature;
  const JavaScriptFacts &facts;
  std::string text;
  llvm::raw_string_ostream out;
};

} // namespace

std::string javaScriptModule(const ModelSignature &signature, const JavaScriptFacts &facts) {
  return ScriptWriter(signature, facts).script();
}

std::string typeDeclarations(const ModelSignature &signature, const JavaScriptFacts &facts) {
  return ScriptWriter(signature, facts).declarations();
}

} // namespace weft
