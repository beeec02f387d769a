#include "tools/weft-tblgen/Text.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringExtras.h"
#include <algorithm>

using namespace llvm;

namespace weft::tblgen {

std::string wrap(StringRef text, StringRef first, StringRef next) {
  std::string result;
  std::string line = first.str();
  bool lineHasWord = false;
  SmallVector<StringRef> words;
  SplitString(text, words);
  for (StringRef word : words) {
    if (lineHasWord && line.size() + 1 + word.size() > lineWidth) {
      result += line + "\n";
      line = next.str();
      lineHasWord = false;
    }
    line += (lineHasWord ? " " : "") + word.str();
    lineHasWord = true;
  }
  return result + line + "\n";
}

std::string joinWords(ArrayRef<std::string> words, StringRef conjunction) {
  if (words.size() < 2)
    return words.empty() ? "" : words.front();
  return join(words.drop_back(), ", ") + " " + conjunction.str() + " " + words.back();
}

std::string dedent(StringRef text) {
  SmallVector<StringRef> lines;
  text.rtrim().split(lines, '\n');
  while (!lines.empty() && lines.front().trim().empty())
    lines.erase(lines.begin());
  size_t indent = StringRef::npos;
  for (StringRef line : lines)
    if (!line.trim().empty())
      indent = std::min(indent, line.size() - line.ltrim().size());
  std::string result;
  for (StringRef line : lines)
    result += line.substr(indent).rtrim().str() + "\n";
  return result;
}

std::string pythonString(StringRef text) {
  std::string result = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\')
      result += '\\';
    if (c == '\n')
      result += "\\n";
    else
      result += c;
  }
  return result + "\"";
}

std::string docstringText(StringRef text) {
  std::string result;
  for (char c : text) {
    if (c == '"' || c == '\\')
      result += '\\';
    result += c;
  }
  return result;
}

std::string pythonTuple(ArrayRef<std::string> strings) {
  std::string result = "(";
  for (auto [number, string] : enumerate(strings))
    result += (number ? ", " : "") + pythonString(string);
  return result + (strings.size() == 1 ? ",)" : ")");
}

} // namespace weft::tblgen
