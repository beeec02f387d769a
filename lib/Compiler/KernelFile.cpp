// A compiled kernel as the bytes of a file, sealed.
#include "lib/Compiler/KernelFile.h"
#include "llvm/Support/xxhash.h"
#include <cstring>

namespace weft {

namespace {

struct Digest {
  uint64_t low, high;
  bool operator==(const Digest &) const = default;
};

struct Header {
  char magic[8];
  Digest seal, identity;
  int64_t stages, temporaries, deviceStages, codeBytes;
};
constexpr char magic[8] = {'w', 'e', 'f', 't', 'k', 'r', 'n', '5'};
constexpr size_t sealedFrom = offsetof(Header, identity);
static_assert(sizeof(Header) == kernelHeaderBytes);

/// A stage's shape in a file; the numbers of its tensor maps (packTensorMaps) follow.
struct StageShape {
  int64_t threads, sharedBytes, words, sites;
};
/// A fault site in a file, behind these; its text follows.
struct SiteShape {
  int64_t dimension, bytes;
};

/// More stages or temporaries than any kernel has.
constexpr int64_t mostParts = 1 << 16;

} // namespace

static Digest digestOf(llvm::StringRef bytes) {
  auto hash = llvm::xxh3_128bits(llvm::arrayRefFromStringRef(bytes));
  return {hash.low64, hash.high64};
}

static Digest identityOf(llvm::StringRef identity, const std::string &name) {
  std::string text = identity.str();
  text += '\0';
  return digestOf(text + name);
}

void sealKernelFile(std::string &bytes) {
  Digest seal = digestOf(llvm::StringRef(bytes).drop_front(sealedFrom));
  std::memcpy(&bytes[offsetof(Header, seal)], &seal, sizeof(seal));
}

static std::string packStage(const GpuStage &stage) {
  std::vector<int64_t> words = packTensorMaps(stage.tensorMaps);
  StageShape shape{stage.threads, stage.sharedBytes, static_cast<int64_t>(words.size()),
                   static_cast<int64_t>(stage.faultSites.size())};
  std::string bytes(reinterpret_cast<const char *>(&shape), sizeof(shape));
  bytes.append(reinterpret_cast<const char *>(words.data()), words.size() * sizeof(int64_t));
  for (const FaultSite &site : stage.faultSites) {
    SiteShape packed{site.dimension, static_cast<int64_t>(site.text.size())};
    bytes.append(reinterpret_cast<const char *>(&packed), sizeof(packed)) += site.text;
  }
  return bytes;
}

/// Takes a fault site from the front of `bytes`; false if it is damaged.
static bool unpackSite(llvm::StringRef &bytes, FaultSite &site) {
  SiteShape shape;
  if (bytes.size() < sizeof(shape))
    return false;
  std::memcpy(&shape, bytes.data(), sizeof(shape));
  bytes = bytes.drop_front(sizeof(shape));
  if (shape.bytes < 0 || static_cast<uint64_t>(shape.bytes) > bytes.size())
    return false;
  site = {bytes.take_front(shape.bytes).str(), shape.dimension};
  bytes = bytes.drop_front(shape.bytes);
  return true;
}

/// Takes a stage from the front of `bytes`; false if it is damaged.
static bool unpackStage(llvm::StringRef &bytes, GpuStage &stage) {
  StageShape shape;
  if (bytes.size() < sizeof(shape))
    return false;
  std::memcpy(&shape, bytes.data(), sizeof(shape));
  bytes = bytes.drop_front(sizeof(shape));
  if (shape.words < 0 || static_cast<uint64_t>(shape.words) > bytes.size() / sizeof(int64_t))
    return false;
  std::vector<int64_t> words(shape.words);
  std::memcpy(words.data(), bytes.data(), words.size() * sizeof(int64_t));
  bytes = bytes.drop_front(words.size() * sizeof(int64_t));
  stage.threads = shape.threads;
  stage.sharedBytes = shape.sharedBytes;
  for (int64_t number = 0; number < shape.sites; ++number)
    if (!unpackSite(bytes, stage.faultSites.emplace_back()))
      return false;
  return unpackTensorMaps(words, stage.tensorMaps);
}

std::string encodeKernel(const KernelObject &object, llvm::StringRef identity) {
  Header header{{},
                {},
                identityOf(identity, object.name),
                object.stages,
                object.temporaries,
                static_cast<int64_t>(object.deviceStages.size()),
                static_cast<int64_t>(object.code.size())};
  std::memcpy(header.magic, magic, sizeof(magic));
  std::string bytes(reinterpret_cast<const char *>(&header), sizeof(header));
  bytes.append(object.code.begin(), object.code.end());
  for (const GpuStage &stage : object.deviceStages)
    bytes += packStage(stage);
  bytes += object.image;
  sealKernelFile(bytes);
  return bytes;
}

/// Whether the numbers can be those of a kernel with `bytes` behind the header.
static bool isPlausible(const Header &header, size_t bytes) {
  auto within = [](int64_t number, uint64_t most) {
    return number >= 0 && static_cast<uint64_t>(number) <= most;
  };
  return within(header.stages, mostParts) && within(header.temporaries, mostParts) &&
         within(header.codeBytes, bytes) &&
         within(header.deviceStages, (bytes - header.codeBytes) / sizeof(StageShape));
}

std::optional<KernelObject> decodeKernel(llvm::StringRef bytes, const std::string &name,
                                         llvm::StringRef identity) {
  Header header;
  if (bytes.size() < sizeof(header))
    return std::nullopt;
  std::memcpy(&header, bytes.data(), sizeof(header));
  if (std::memcmp(header.magic, magic, sizeof(magic)) != 0 ||
      header.seal != digestOf(bytes.drop_front(sealedFrom)) ||
      header.identity != identityOf(identity, name) ||
      !isPlausible(header, bytes.size() - sizeof(header)))
    return std::nullopt;
  llvm::StringRef rest = bytes.drop_front(sizeof(header));
  KernelObject object{name, header.stages, header.temporaries, {}};
  llvm::StringRef code = rest.take_front(header.codeBytes);
  object.code.assign(code.begin(), code.end());
  rest = rest.drop_front(header.codeBytes);
  for (int64_t stage = 0; stage < header.deviceStages; ++stage) {
    GpuStage &added = object.deviceStages.emplace_back();
    added.entry = name + "_" + std::to_string(stage);
    if (!unpackStage(rest, added))
      return std::nullopt;
  }
  object.image = rest.str();
  return object;
}

} // namespace weft
