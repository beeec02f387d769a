// Files that are read as a whole after a check of every byte, and written whole or not at all.
//
// A saved program (.weft) is 64 bytes of header and a payload of MLIR bytecode. All numbers are
// little-endian:
//
//     0  8 bytes  "\x89WEFT\r\n\x1a"
//     8  uint32   version of the format
//    12  uint32   0
//    16  uint64   bytes of the payload
//    24  16 bytes XXH3-128 of the payload
//    40  uint64   XXH3-64 of the 40 bytes before
//    48  16 bytes 0
#pragma once

#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/raw_ostream.h"

#include <memory>
#include <string>

namespace weft {

inline constexpr size_t programHeaderBytes = 64;

/// The version that is written, and the newest that can be read.
inline constexpr uint32_t programFormat = 1;

/// Maps a file. Throws weft::Error (IO), naming it. It must not change as long as it is mapped.
std::unique_ptr<llvm::MemoryBuffer> mapFile(llvm::StringRef path);

/// Writes a file under another name, and renames it when all is written: to what `path` leads to
/// behind links, whose permissions it keeps. `write` gets the stream and its file descriptor.
/// Throws weft::Error (IO), also if a folder, a device or a pipe is there; nothing is left then.
void writeWhole(llvm::StringRef path, llvm::function_ref<void(llvm::raw_fd_ostream &, int)> write);

/// XXH3-128 as 32 hexadecimal digits.
std::string digestOf(llvm::StringRef content);

/// True if the content begins as that of a saved program.
bool isProgramFile(llvm::StringRef content);

/// The payload of a saved program. Throws weft::Error (IO), naming the file, unless every byte is
/// what was written, by a version that can be read.
llvm::StringRef payloadOf(llvm::StringRef content, llvm::StringRef path);

/// Puts the right checksums into content that is at least a header, whatever else it is.
void sealProgramFile(std::string &content);

/// Writes a saved program around what `writePayload` writes. Throws weft::Error (IO).
void writeProgramFile(llvm::StringRef path,
                      llvm::function_ref<void(llvm::raw_ostream &)> writePayload);

} // namespace weft
