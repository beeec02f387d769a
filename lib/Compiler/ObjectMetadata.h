// What an object says of itself: a section of JSON, behind a checksum.
//
// The section .weft.metadata is: 8 bytes "WEFTMETA", uint32 version of the format, uint32 0, uint64
// bytes of the JSON, uint64 XXH3-64 of the JSON, the JSON, zeros up to a multiple of 8. Numbers are
// little-endian.
#pragma once

#include "codegen/CPU/ModelSignature.h"
#include "llvm/Support/JSON.h"
#include <string>

namespace weft {

inline constexpr llvm::StringLiteral metadataSection = ".weft.metadata";

/// "0.1.0".
std::string weftVersion();

inline constexpr llvm::StringLiteral metadataMagic = "WEFTMETA";

/// Puts the right checksum into the description that begins at `at`, if it is long enough for what
/// its header says.
void sealMetadata(std::string &contents, size_t at);

/// The contents of the section.
std::string encodeMetadata(const llvm::json::Object &metadata);
/// The JSON of a section's contents, one for each model: linkers put the sections of objects one
/// behind the other. Throws weft::Error (IO) if they are damaged, or of another version of the
/// format; `path` is for the message.
std::vector<llvm::json::Object> decodeMetadata(llvm::StringRef contents, llvm::StringRef path);

/// Inputs, outputs and symbols as JSON.
void describeSignature(const ModelSignature &signature, llvm::json::Object &metadata);

/// The metadata of each model in a file: an object, a shared library or program, or an archive of
/// objects. Throws weft::Error (IO) if the file is none of these, is damaged, or has no model.
std::vector<llvm::json::Object> readMetadata(llvm::StringRef path);

/// Metadata as text for people.
std::string metadataText(const llvm::json::Object &metadata);

} // namespace weft
