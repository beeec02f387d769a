// The binary interface of DLPack 1.0, as far as Weft uses it.
#pragma once

#include <cstdint>

namespace weft::dlpack {

enum DeviceKind : int32_t { Cpu = 1, Cuda = 2 };
enum TypeCode : uint8_t {
  Integer = 0,
  Unsigned = 1,
  Floating = 2,
  BrainFloating = 4,
  Complex = 5,
  Boolean = 6,
  Float8E4M3FN = 10,
  Float8E5M2 = 12
};

struct Device {
  int32_t kind;
  int32_t number;
};
struct ElementType {
  uint8_t code;
  uint8_t bits;
  uint16_t lanes;
};
struct TensorView {
  void *data;
  Device device;
  int32_t dimensions;
  ElementType type;
  int64_t *shape;
  /// In elements; null for dense row-major memory.
  int64_t *strides;
  uint64_t byteOffset;
};

struct Managed {
  TensorView tensor;
  void *context;
  void (*deleter)(Managed *);
};

struct ManagedVersioned {
  uint32_t major, minor;
  void *context;
  void (*deleter)(ManagedVersioned *);
  uint64_t flags;
  TensorView tensor;
};

constexpr uint32_t majorVersion = 1;
constexpr uint64_t readOnlyFlag = 1, copiedFlag = 2;

} // namespace weft::dlpack
