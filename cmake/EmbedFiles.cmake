# Writes OUTPUT, C++ that holds the bytes of FILES: see lib/Runtime/artifact/EmbeddedFiles.h.
set(arrays "")
set(table "")
set(number 0)
foreach(file IN LISTS FILES)
  get_filename_component(name ${file} NAME)
  file(READ ${file} digits HEX)
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${digits}")
  string(APPEND arrays "alignas(16) static const unsigned char file${number}[] = {${bytes}};\n")
  string(APPEND table "      {\"${name}\", {reinterpret_cast<const char *>(file${number}), sizeof(file${number})}},\n")
  math(EXPR number "${number} + 1")
endforeach()
file(WRITE ${OUTPUT} "#include \"lib/Runtime/artifact/EmbeddedFiles.h\"

namespace weft {

${arrays}
std::string_view embeddedFile(std::string_view name) {
  static const struct {
    std::string_view name, bytes;
  } files[] = {
${table}  };
  for (const auto &file : files)
    if (file.name == name)
      return file.bytes;
  return {};
}

} // namespace weft
")
