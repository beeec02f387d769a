// Text for people and for Python, as the emitters write it.
#pragma once

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include <string>

namespace weft::tblgen {

/// The longest line in generated files.
inline constexpr size_t lineWidth = 100;

/// The words of `text` in lines of at most `lineWidth`, each ending in a newline. The first line
/// begins with `first`, the others with `next`.
std::string wrap(llvm::StringRef text, llvm::StringRef first, llvm::StringRef next);

/// "a", "a or b", "a, b or c" with `conjunction` = "or".
std::string joinWords(llvm::ArrayRef<std::string> words, llvm::StringRef conjunction);

/// The lines of `text` without the indentation they share and without blank lines at either end.
std::string dedent(llvm::StringRef text);

/// A Python string literal in double quotes.
std::string pythonString(llvm::StringRef text);

/// `text` as it may stand inside a docstring in triple double quotes.
std::string docstringText(llvm::StringRef text);

/// A Python tuple of string literals.
std::string pythonTuple(llvm::ArrayRef<std::string> strings);

} // namespace weft::tblgen
