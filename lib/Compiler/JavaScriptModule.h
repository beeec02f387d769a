// The JavaScript that calls a model compiled to WebAssembly.
#pragma once

#include "codegen/CPU/ModelSignature.h"
#include <string>

namespace weft {

/// What the JavaScript says of a model besides its signature.
struct JavaScriptFacts {
  std::string name;
  /// "Weft 0.1.0, target wasm32", for the first comment.
  std::string description;
  /// The names of the module's file, of the file of weights (empty: there is none), and of the
  /// JavaScript's own.
  std::string file, weights, script;
};

/// A module of ECMAScript: what is known of the model, then lib/Runtime/artifact/model.js. Throws
/// weft::Error (Value) for a name that no method can have.
std::string javaScriptModule(const ModelSignature &signature, const JavaScriptFacts &facts);

/// Its types, for TypeScript.
std::string typeDeclarations(const ModelSignature &signature, const JavaScriptFacts &facts);

/// "model.d.ts" for "model.js", "model.d.mts" for "model.mjs". Throws weft::Error (Value) for
/// another name.
std::string declarationsPath(llvm::StringRef script);

} // namespace weft
