// The buffer protocol and DLPack.
#include "python/src/Interop.h"

#include "lib/Compiler/Devices.h"
#include "lib/Runtime/Allocator.h"
#include "python/src/DLPack.h"
#include "python/src/DeviceObject.h"
#include "python/src/Errors.h"
#include "python/src/PythonThreads.h"
#include "python/src/TraceScope.h"
#include "python/src/state/Handle.h"

#include <cstring>
#include <memory>

using namespace weft;

uint64_t weft::interopCopies = 0;

//===----------------------------------------------------------------------===//
// The buffer protocol
//===----------------------------------------------------------------------===//

/// Both without overflow, or nothing.
static std::optional<uint64_t> multiplied(std::optional<uint64_t> left,
                                          std::optional<uint64_t> right) {
  uint64_t product;
  if (!left || !right || __builtin_mul_overflow(*left, *right, &product) || product > INT64_MAX)
    return std::nullopt;
  return product;
}
static std::optional<uint64_t> added(std::optional<uint64_t> left, std::optional<uint64_t> right) {
  uint64_t sum;
  if (!left || !right || __builtin_add_overflow(*left, *right, &sum) || sum > INT64_MAX)
    return std::nullopt;
  return sum;
}

namespace {

/// What a Py_buffer of ours points to.
struct ExportedView {
  StorageRef storage;
  llvm::SmallVector<Py_ssize_t, 4> shape, strides;
};

} // namespace

static llvm::SmallVector<Py_ssize_t, 4> denseStrides(llvm::ArrayRef<int64_t> shape,
                                                     Py_ssize_t unit) {
  llvm::SmallVector<Py_ssize_t, 4> strides(shape.size());
  for (size_t i = shape.size(); i-- > 0;) {
    strides[i] = unit;
    unit *= std::max<int64_t>(shape[i], 1);
  }
  return strides;
}

int weft::getTensorBuffer(PyObject *self, Py_buffer *view, int flags) {
  static const char *formats[dtypeCount] = {"?", "b", "h", "i", "q",  "B",  "e", "H", "f",
                                            "d", "H", "I", "Q", "Zf", "Zd", "B", "B"};
  return guarded(-1, [&] {
    TensorObject *tensor = current(asTensor(self));
    if (tensor->value.storage)
      requireHost(tensor, "reading the elements");
    if (flags & PyBUF_WRITABLE) {
      PyErr_SetString(PyExc_BufferError, "a tensor's elements are read-only");
      throw PythonError();
    }
    DType dtype = tensor->value.dtype;
    if (dtype == DType::BFloat16 || isFloat8(dtype)) {
      // The buffer protocol has no code for it; NumPy goes on to __array__.
      std::string message = "a buffer can't tell that its elements are ";
      PyErr_SetString(PyExc_BufferError, message.append(dtypeName(dtype)).c_str());
      throw PythonError();
    }
    Array value = elementsOf(tensor, "reading the elements");
    Py_ssize_t unit = Py_ssize_t(dtypeSize(value.dtype));
    auto exported = std::make_unique<ExportedView>();
    exported->storage = value.storage;
    exported->shape.assign(value.shape.begin(), value.shape.end());
    exported->strides = denseStrides(value.shape, unit);
    view->obj = Py_NewRef(self);
    view->buf = value.storage->data();
    view->itemsize = unit;
    view->len = elementCount(value.shape) * unit;
    view->readonly = 1;
    view->ndim = int(value.shape.size());
    view->format = flags & PyBUF_FORMAT
                       ? const_cast<char *>(formats[static_cast<size_t>(value.dtype)])
                       : nullptr;
    view->shape = flags & PyBUF_ND ? exported->shape.data() : nullptr;
    view->strides = (flags & PyBUF_STRIDES) == PyBUF_STRIDES ? exported->strides.data() : nullptr;
    view->suboffsets = nullptr;
    view->internal = exported.release();
    return 0;
  });
}

void weft::releaseTensorBuffer(PyObject *, Py_buffer *view) {
  delete static_cast<ExportedView *>(view->internal);
}

static std::optional<DType> integerOf(Py_ssize_t bytes, bool isUnsigned) {
  switch (bytes) {
  case 1:
    return isUnsigned ? DType::UInt8 : DType::Int8;
  case 2:
    return isUnsigned ? DType::UInt16 : DType::Int16;
  case 4:
    return isUnsigned ? DType::UInt32 : DType::Int32;
  case 8:
    return isUnsigned ? DType::UInt64 : DType::Int64;
  default:
    return std::nullopt;
  }
}

static DType dtypeOfBuffer(const Py_buffer &view) {
  std::string format = view.format ? view.format : "B";
  std::optional<DType> dtype;
  // One letter, after a sign for this machine's order of bytes: "Zd" is complex, "2f" a pair.
  llvm::StringRef letter = format;
  if (letter.size() > 1 && std::strchr("@=<", letter[0]))
    letter = letter.drop_front();
  if (letter == "?")
    dtype = DType::Bool;
  else if (letter.size() == 1 && std::strchr("bhilqBHILQ", letter[0]))
    dtype = integerOf(view.itemsize, std::isupper(static_cast<unsigned char>(letter[0])));
  else if (letter == "e")
    dtype = DType::Float16;
  else if (letter == "f")
    dtype = DType::Float32;
  else if (letter == "d")
    dtype = DType::Float64;
  else if (letter == "Zf")
    dtype = DType::Complex64;
  else if (letter == "Zd")
    dtype = DType::Complex128;
  if (!dtype)
    throwError("DTypeError", "elements of format \"" + format + "\" (" +
                                 std::to_string(view.itemsize) +
                                 " bytes) have no dtype in weft; convert the array first");
  return *dtype;
}

static void releaseBuffer(void *context) {
  auto release = [](void *view) { PyBuffer_Release(static_cast<Py_buffer *>(view)); };
  withInterpreter(release, context);
  delete static_cast<Py_buffer *>(context);
}

/// Throws if an exporter contradicts itself: its memory would be read outside of what it has.
static void checkBuffer(const Py_buffer &view, size_t unit, llvm::ArrayRef<int64_t> shape) {
  std::optional<uint64_t> bytes = unit;
  for (int64_t size : shape)
    bytes = size < 0 ? std::nullopt : multiplied(bytes, uint64_t(size));
  if (size_t(view.itemsize) != unit || view.len < 0 || bytes != uint64_t(view.len))
    throwError("ShapeError", "a buffer of shape " + shapeTuple(shape) + " with elements of " +
                                 std::to_string(view.itemsize) + " bytes can't have " +
                                 std::to_string(view.len) + " bytes");
}

PyRef weft::tensorFromBuffer(PyObject *object, std::optional<DType> reinterpreted, bool copy) {
  auto view = std::make_unique<Py_buffer>();
  checkStatus(PyObject_GetBuffer(object, view.get(), PyBUF_STRIDED_RO | PyBUF_FORMAT));
  auto release = [](Py_buffer *buffer) { PyBuffer_Release(buffer); };
  std::unique_ptr<Py_buffer, decltype(release)> guard(view.get(), release);
  TensorValue value;
  value.dtype = reinterpreted ? *reinterpreted : dtypeOfBuffer(*view);
  value.shape.assign(view->shape, view->shape + view->ndim);
  bool aligned = reinterpret_cast<uintptr_t>(view->buf) % dtypeSize(value.dtype) == 0;
  checkBuffer(*view, dtypeSize(value.dtype), value.shape);
  if (!copy && aligned && view->len > 0 && PyBuffer_IsContiguous(view.get(), 'C')) {
    Py_buffer *kept = guard.release();
    void *data = kept->buf;
    uint64_t bytes = uint64_t(kept->len);
    value.storage = Storage::wrap(data, bytes, releaseBuffer, view.release());
  } else {
    interopCopies += !copy;
    value.storage = Allocator::process().allocate(uint64_t(view->len));
    checkStatus(PyBuffer_ToContiguous(value.storage->data(), view.get(), view->len, 'C'));
  }
  return checked(newTensor(std::move(value)));
}

//===----------------------------------------------------------------------===//
// DLPack
//===----------------------------------------------------------------------===//

static dlpack::ElementType elementType(DType dtype) {
  uint8_t bits = uint8_t(8 * dtypeSize(dtype));
  if (dtype == DType::BFloat16)
    return {dlpack::BrainFloating, bits, 1};
  if (dtype == DType::Float8E4M3FN)
    return {dlpack::Float8E4M3FN, bits, 1};
  if (dtype == DType::Float8E5M2)
    return {dlpack::Float8E5M2, bits, 1};
  if (isFloating(dtype))
    return {dlpack::Floating, bits, 1};
  if (isComplex(dtype))
    return {dlpack::Complex, bits, 1};
  if (dtype == DType::Bool)
    return {dlpack::Boolean, bits, 1};
  return {isUnsignedInteger(dtype) ? dlpack::Unsigned : dlpack::Integer, bits, 1};
}

static DType dtypeOfElement(dlpack::ElementType type) {
  if (type.lanes != 1)
    throwError("DTypeError", "from_dlpack: elements of " + std::to_string(type.lanes) +
                                 " lanes have no dtype in weft");
  for (size_t i = 0; i < dtypeCount; ++i) {
    dlpack::ElementType candidate = elementType(static_cast<DType>(i));
    if (candidate.code == type.code && candidate.bits == type.bits)
      return static_cast<DType>(i);
  }
  throwError("DTypeError", "from_dlpack: elements of type code " + std::to_string(type.code) +
                               " and " + std::to_string(type.bits) + " bits have no dtype in weft");
}

namespace {
template <typename Form> struct Export {
  Form managed;
  StorageRef storage;
  Shape shape;
  llvm::SmallVector<int64_t, 4> strides;
};
template <typename Form> struct Names;
template <> struct Names<dlpack::Managed> {
  static constexpr const char *fresh = "dltensor", *used = "used_dltensor";
};
template <> struct Names<dlpack::ManagedVersioned> {
  static constexpr const char *fresh = "dltensor_versioned", *used = "used_dltensor_versioned";
};
} // namespace

/// Waits for a device. Nobody could be told of an error: the next use of the device shows it.
static void awaitAll(Device &device) noexcept {
  try {
    device.synchronizeWithOthers();
  } catch (const Error &) {
    return;
  }
}

template <typename Form> static void destroyCapsule(PyObject *capsule) {
  if (!PyCapsule_IsValid(capsule, Names<Form>::fresh))
    return;
  auto *managed = static_cast<Form *>(PyCapsule_GetPointer(capsule, Names<Form>::fresh));
  managed->deleter(managed);
}

/// How DLPack names the place of a tensor. Throws if no other library could read it there.
static dlpack::Device placeOf(const TensorValue &value) {
  Device *device = value.storage->device();
  if (!device)
    return {dlpack::Cpu, 0};
  auto [kind, number] = kindAndNumber(device);
  if (kind != "cuda")
    throwError("DeviceError", "__dlpack__: the tensor is on " + deviceName(device) +
                                  ", which no other library can read; copy it to the memory of the "
                                  "host by .cpu() first");
  return {dlpack::Cuda, number};
}

/// Called when another library is done with an exported tensor: on a device it may have left work
/// behind that still reads it.
template <typename Form> static void releaseExport(Form *managed) {
  std::unique_ptr<Export<Form>> exported(static_cast<Export<Form> *>(managed->context));
  if (Device *device = exported->storage->device())
    awaitAll(*device);
}

template <typename Form> static PyRef exportTensor(const TensorValue &value, bool copy) {
  dlpack::Device place = placeOf(value);
  // The other library does not know the stream that the elements may still be written on.
  if (Device *device = value.storage->device())
    device->synchronize();
  auto owner = std::make_unique<Export<Form>>();
  Export<Form> *exported = owner.get();
  exported->storage = copy ? copyOf(*value.storage) : value.storage;
  // Not every library heeds that it may not write.
  exported->storage->setWritableOutside();
  exported->shape = value.shape;
  auto strides = denseStrides(value.shape, 1);
  exported->strides.assign(strides.begin(), strides.end());
  Form &managed = exported->managed;
  managed.context = exported;
  managed.deleter = releaseExport<Form>;
  managed.tensor = {exported->storage->data(),
                    place,
                    int32_t(value.shape.size()),
                    elementType(value.dtype),
                    exported->shape.data(),
                    exported->strides.data(),
                    0};
  if constexpr (std::is_same_v<Form, dlpack::ManagedVersioned>) {
    managed.major = 1;
    managed.minor = 0;
    managed.flags = copy ? dlpack::copiedFlag : dlpack::readOnlyFlag;
  }
  PyObject *capsule = PyCapsule_New(&managed, Names<Form>::fresh, destroyCapsule<Form>);
  if (capsule)
    owner.release();
  return checked(capsule);
}

PyRef weft::toDLPack(TensorObject *tensor, bool versioned, bool copy) {
  tensor = current(tensor);
  requireConcrete(tensor, "__dlpack__()");
  if (versioned)
    return exportTensor<dlpack::ManagedVersioned>(tensor->value, copy);
  return exportTensor<dlpack::Managed>(tensor->value, copy);
}

/// The bytes of the elements. Throws unless all of them are where the view says: it comes from
/// another library, and nothing else checks it.
static uint64_t checkView(const dlpack::TensorView &view, size_t unit) {
  constexpr int32_t mostDimensions = 64;
  if (view.dimensions < 0 || view.dimensions > mostDimensions)
    throwError("ShapeError",
               "from_dlpack: an array of " + std::to_string(view.dimensions) + " dimensions");
  if (view.dimensions > 0 && !view.shape)
    throwError("ShapeError", "from_dlpack: an array without a shape");
  Shape shape(view.shape, view.shape + view.dimensions);
  std::optional<uint64_t> bytes = unit, reach = unit;
  for (int64_t size : shape) {
    if (size < 0)
      throwError("ShapeError", "from_dlpack: negative dimension in shape " + shapeTuple(shape));
    bytes = multiplied(bytes, uint64_t(size));
  }
  bool isEmpty = llvm::is_contained(shape, 0);
  for (int32_t i = 0; view.strides && !isEmpty && i < view.dimensions; ++i) {
    uint64_t stride = view.strides[i] < 0 ? -uint64_t(view.strides[i]) : uint64_t(view.strides[i]);
    if (shape[i] > 1)
      reach = added(reach, multiplied(multiplied(stride, uint64_t(shape[i] - 1)), unit));
  }
  if (!bytes || !reach)
    throwError("ShapeError", "from_dlpack: no memory holds an array of shape " + shapeTuple(shape));
  if (isEmpty)
    return 0;
  if (!view.data)
    throwError("ShapeError",
               "from_dlpack: an array of shape " + shapeTuple(shape) + " without memory");
  return *bytes;
}

static bool isDense(const dlpack::TensorView &view) {
  if (!view.strides)
    return true;
  int64_t expected = 1;
  for (int32_t i = view.dimensions; i-- > 0;) {
    if (view.shape[i] != 1 && view.strides[i] != expected)
      return false;
    expected *= view.shape[i];
  }
  return true;
}

template <typename Form> static void releaseForeign(void *context) {
  auto *self = static_cast<Form *>(context);
  if (self->deleter)
    withInterpreter(
        [](void *form) { static_cast<Form *>(form)->deleter(static_cast<Form *>(form)); }, self);
}

static void copyStrided(const char *source, const dlpack::TensorView &view, size_t unit,
                        int32_t dimension, char *&next) {
  if (dimension == view.dimensions) {
    std::memcpy(next, source, unit);
    next += unit;
    return;
  }
  for (int64_t i = 0; i < view.shape[dimension]; ++i)
    copyStrided(source + i * view.strides[dimension] * int64_t(unit), view, unit, dimension + 1,
                next);
}

/// A copy of what a view of the host's memory shows.
static StorageRef copyView(const dlpack::TensorView &view, const char *data, size_t unit,
                           uint64_t bytes) {
  StorageRef copy = Allocator::process().allocate(bytes);
  char *next = static_cast<char *>(copy->data());
  if (bytes > 0 && isDense(view))
    std::memcpy(next, data, bytes);
  else if (bytes > 0)
    copyStrided(data, view, unit, 0, next);
  return copy;
}

/// The device that a foreign array is on; null for the host.
static Device *deviceOfView(const dlpack::TensorView &view) {
  if (view.device.kind == dlpack::Cpu)
    return nullptr;
  if (view.device.kind != dlpack::Cuda)
    throwError("UnsupportedError",
               "from_dlpack: the array is neither in the memory of the CPU nor in that of a CUDA "
               "device; move it there first");
  if (!isDense(view))
    throwError("UnsupportedError", "from_dlpack: the array's elements on the device do not follow "
                                   "each other; make it contiguous first");
  return deviceByName("cuda:" + std::to_string(view.device.number));
}

/// Memory of another library on a device, released once what reads it is done.
template <typename Form>
static StorageRef wrapForeign(void *data, uint64_t bytes, Device &device, Form *managed) {
  struct Owner {
    Device &device;
    Form *managed;
  };
  auto release = [](void *context) {
    std::unique_ptr<Owner> owner(static_cast<Owner *>(context));
    awaitAll(owner->device);
    releaseForeign<Form>(owner->managed);
  };
  device.synchronizeWithOthers();
  return Storage::wrapOnDevice(data, bytes, device, release, new Owner{device, managed});
}

template <typename Form> static PyRef importTensor(PyObject *capsule, bool constant) {
  auto *managed = static_cast<Form *>(PyCapsule_GetPointer(capsule, Names<Form>::fresh));
  if (!managed)
    throw PythonError();
  if constexpr (std::is_same_v<Form, dlpack::ManagedVersioned>)
    if (managed->major != dlpack::majorVersion)
      throwError("UnsupportedError", "from_dlpack: the array is in version " +
                                         std::to_string(managed->major) + " of DLPack, not " +
                                         std::to_string(dlpack::majorVersion));
  const dlpack::TensorView &view = managed->tensor;
  TensorValue value;
  value.dtype = dtypeOfElement(view.type);
  size_t unit = dtypeSize(value.dtype);
  uint64_t bytes = checkView(view, unit);
  value.shape.assign(view.shape, view.shape + view.dimensions);
  Device *device = deviceOfView(view);
  uintptr_t start;
  if (__builtin_add_overflow(reinterpret_cast<uintptr_t>(view.data), view.byteOffset, &start) ||
      start + bytes < start)
    throwError("ShapeError", "from_dlpack: the elements begin " + std::to_string(view.byteOffset) +
                                 " bytes behind the memory's start, beyond all addresses");
  char *data = static_cast<char *>(view.data) + view.byteOffset;
  bool shares = bytes > 0 && isDense(view) && reinterpret_cast<uintptr_t>(data) % unit == 0;
  if (!shares && !device) {
    interopCopies += bytes > 0;
    value.storage = copyView(view, data, unit, bytes);
  }
  PyRef tensor = checked(newTensor(std::move(value)));
  // Up to here the capsule frees what it holds; from here on that is done here.
  checkStatus(PyCapsule_SetName(capsule, Names<Form>::used));
  if (device)
    asTensor(tensor.get())->value.storage = wrapForeign(data, bytes, *device, managed);
  else if (shares)
    asTensor(tensor.get())->value.storage = (constant ? Storage::wrapConstant : Storage::wrap)(
        data, bytes, releaseForeign<Form>, managed);
  else
    releaseForeign<Form>(managed);
  return tensor;
}

std::pair<int, int> weft::dlpackDevice(TensorObject *tensor) {
  requireConcrete(tensor, "__dlpack_device__()");
  dlpack::Device place = placeOf(tensor->value);
  return {place.kind, place.number};
}

PyRef weft::fromDLPack(PyObject *capsule, bool constant) {
  if (PyCapsule_IsValid(capsule, Names<dlpack::ManagedVersioned>::fresh))
    return importTensor<dlpack::ManagedVersioned>(capsule, constant);
  if (PyCapsule_IsValid(capsule, Names<dlpack::Managed>::fresh))
    return importTensor<dlpack::Managed>(capsule, constant);
  throwError("DTypeError", "from_dlpack: the object gave no unused DLPack capsule");
}
