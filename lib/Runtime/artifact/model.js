
// For each dtype the kind of typed array, and how many numbers an element has. Floats of 16 and of
// 8 bits are given and returned as their bits.
const KINDS = {
  bool: [Uint8Array, 1],
  int8: [Int8Array, 1],
  int16: [Int16Array, 1],
  int32: [Int32Array, 1],
  int64: [BigInt64Array, 1],
  uint8: [Uint8Array, 1],
  uint16: [Uint16Array, 1],
  uint32: [Uint32Array, 1],
  uint64: [BigUint64Array, 1],
  float16: [Uint16Array, 1],
  bfloat16: [Uint16Array, 1],
  float32: [Float32Array, 1],
  float64: [Float64Array, 1],
  complex64: [Float32Array, 2],
  complex128: [Float64Array, 2],
  float8_e4m3fn: [Uint8Array, 1],
  float8_e5m2: [Uint8Array, 1],
};
// Dtypes whose numbers are not their bits: a single one may be given as it is.
const PLAIN = /^(bool|u?int\d+|float(32|64))$/;
// Each array begins at such an address.
const ALIGNMENT = 64;
const PAGE = 65536;

const product = (sizes) => sizes.reduce((left, right) => left * right, 1);
const listed = (sizes) => `[${sizes.join(", ")}]`;
const described = (tensor) => `${tensor.name}, ${tensor.dtype}${listed(tensor.shape)},`;
const tagOf = (value) => Object.prototype.toString.call(value).slice(8, -1);
const isTensor = (value) => ArrayBuffer.isView(value?.data) && Array.isArray(value?.shape);

/** What the caller said for one input, as an array and, if it was given, its shape. */
function readArgument(tensor, value) {
  const [Kind, count] = KINDS[tensor.dtype];
  if (tensor.shape.length === 0 && PLAIN.test(tensor.dtype) && !(value instanceof Object)) {
    if (!["number", "bigint", "boolean"].includes(typeof value))
      throw new TypeError(`${NAME}: ${described(tensor)} is missing`);
    const isBig = tensor.dtype.endsWith("int64");
    value = Kind.of(isBig ? BigInt(value) : Number(value));
  }
  if (value === undefined || value === null)
    throw new TypeError(`${NAME}: ${described(tensor)} is missing`);
  const data = isTensor(value) ? value.data : value;
  if (tagOf(data) !== Kind.name)
    throw new TypeError(
      `${NAME}: ${described(tensor)} has to be a ${Kind.name} or { data: ${Kind.name}, shape }, ` +
        `and not a ${tagOf(data)}`,
    );
  if (tensor.dtype === "bool" && data.some((byte) => byte > 1))
    throw new RangeError(`${NAME}: ${described(tensor)} has a byte that is neither 0 nor 1`);
  return { data, shape: isTensor(value) ? value.shape : undefined, elements: data.length / count };
}

/** The arguments of a call, in the inputs' order: positional, or one object with their names. */
function readArguments(given) {
  const [named] = given;
  const isNamed =
    given.length === 1 && tagOf(named) === "Object" && !(inputs.length === 1 && isTensor(named));
  if (!isNamed && given.length !== inputs.length)
    throw new TypeError(
      `${NAME}: takes ${inputs.length} arrays, or one object with their names, ` +
        `and not ${given.length} arguments`,
    );
  for (const name of isNamed ? Object.keys(named) : [])
    if (!inputs.some((tensor) => tensor.name === name))
      throw new TypeError(
        `${NAME}: no input is called ${name}; there are ${inputs.map((t) => t.name).join(", ")}`,
      );
  return inputs.map((tensor, i) => readArgument(tensor, isNamed ? named[tensor.name] : given[i]));
}

/** The symbolic sizes: of shapes; of an array without a shape, one size follows from its length. */
function readSizes(given) {
  const size = {};
  const open = [];
  for (const { name, input, dimension } of symbols)
    if (given[input].shape) size[name] = given[input].shape[dimension];
    else open.push({ name, input });
  for (const { name, input } of open) {
    const tensor = inputs[input];
    const rest = product(tensor.dimensions({ ...size, [name]: 1 }));
    const found = given[input].elements / rest;
    if (!Number.isInteger(found))
      throw new RangeError(
        `${NAME}: the shape of ${described(tensor)} can't be told from ` +
          `${given[input].elements} elements; give { data, shape }`,
      );
    size[name] = found;
  }
  return size;
}

function checkShapes(given, size) {
  const known = Object.entries(size).map(([name, value]) => `${name} = ${value}`);
  const where = known.length > 0 ? `, with ${known.join(", ")}` : "";
  inputs.forEach((tensor, number) => {
    const { elements, shape } = given[number];
    const wanted = tensor.dimensions(size);
    const fits = shape ?? wanted;
    if (fits.length !== wanted.length || fits.some((size, d) => size !== wanted[d]))
      throw new RangeError(`${NAME}: ${described(tensor)} has the shape ${listed(fits)}${where}`);
    if (elements !== product(wanted) || wanted.some((size) => !Number.isInteger(size) || size < 0))
      throw new RangeError(
        `${NAME}: ${described(tensor)} has ${elements} elements, and not those of the shape ` +
          `${listed(wanted)}${where}`,
      );
  });
}

/** The module's memory behind what it needs itself: places are given away one after the other. */
class Places {
  constructor(start) {
    this.end = start;
  }

  take(bytes) {
    const start = Math.ceil(this.end / ALIGNMENT) * ALIGNMENT;
    this.end = start + bytes;
    return start;
  }

  /** Lets the memory reach as far as the places. */
  provide(memory) {
    const missing = Math.ceil((this.end - memory.buffer.byteLength) / PAGE);
    try {
      if (missing > 0) memory.grow(missing);
    } catch {
      throw new RangeError(`${NAME}: ${this.end} bytes of memory can't be had for this call`);
    }
  }
}

function errorText(exported, status) {
  const bytes = new Uint8Array(exported.memory.buffer, exported[`${NAME}_error_text`](status));
  return new TextDecoder().decode(bytes.slice(0, bytes.indexOf(0)));
}

/** Writes weft_options of the C header, for pointers of four bytes. */
function writeOptions(memory, address, workspace, workspaceBytes, weights) {
  const bytes = 40;
  new Uint8Array(memory.buffer, address, bytes).fill(0);
  const view = new DataView(memory.buffer, address, bytes);
  view.setUint32(0, bytes, true);
  view.setUint32(4, workspace, true);
  view.setBigUint64(8, workspaceBytes, true);
  view.setUint32(24, weights.address, true);
  view.setBigUint64(32, BigInt(weights.bytes), true);
}

function call(exported, weights, ...values) {
  const given = readArguments(values);
  const size = readSizes(given);
  checkShapes(given, size);
  const sizes = symbols.map(({ name }) => BigInt(size[name]));
  const workspaceBytes = BigInt.asUintN(64, exported[`${NAME}_workspace_bytes`](...sizes));
  if (workspaceBytes > 2n ** 32n) throw new RangeError(`${NAME}: the sizes are too large`);

  const places = new Places(weights.end);
  const starts = given.map(({ data }) => places.take(data.byteLength));
  const results = outputs.map((tensor) => {
    const [Kind, count] = KINDS[tensor.dtype];
    const shape = tensor.dimensions(size);
    const length = product(shape) * count;
    return { Kind, shape, length, start: places.take(length * Kind.BYTES_PER_ELEMENT) };
  });
  const workspace = places.take(Number(workspaceBytes));
  const options = places.take(ALIGNMENT);
  const { memory } = exported;
  places.provide(memory);

  given.forEach(({ data }, i) => {
    new data.constructor(memory.buffer, starts[i], data.length).set(data);
  });
  writeOptions(memory, options, workspace, workspaceBytes, weights);
  const addresses = [...starts, ...results.map(({ start }) => start), options];
  const status = exported[`${NAME}_run`](...sizes, ...addresses);
  if (status !== 0) throw new RangeError(`${NAME}: ${errorText(exported, status)}`);
  const tensors = results.map(({ Kind, shape, length, start }, i) => ({
    data: new Kind(memory.buffer, start, length).slice(),
    shape,
    dtype: outputs[i].dtype,
  }));
  return tensors.length === 1
    ? tensors[0]
    : Object.fromEntries(tensors.map((tensor, i) => [outputs[i].name, tensor]));
}

/** The bytes of a file: an address, relative to the page or else to this file; or bytes already. */
async function bytesOf(source) {
  if (ArrayBuffer.isView(source) || tagOf(source) === "ArrayBuffer") return source;
  const url = new URL(source, globalThis.location?.href ?? import.meta.url);
  if (url.protocol === "file:" && globalThis.process?.versions?.node) {
    const files = await import("node:fs/promises");
    return files.readFile(url);
  }
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${NAME}: ${url} can't be had: ${response.status}`);
  return response.arrayBuffer();
}

/** Puts the file of weights into the memory; where it lies, and where free memory begins. */
async function loadWeights(exported, source) {
  const start = exported.__heap_base.value >>> 0;
  if (!WEIGHTS) return { address: 0, bytes: 0, end: start };
  const file = await bytesOf(source);
  const bytes = ArrayBuffer.isView(file)
    ? new Uint8Array(file.buffer, file.byteOffset, file.byteLength)
    : new Uint8Array(file);
  const places = new Places(start);
  const address = places.take(bytes.length);
  const description = places.take(ALIGNMENT);
  places.provide(exported.memory);
  new Uint8Array(exported.memory.buffer, address).set(bytes);
  const view = new DataView(exported.memory.buffer, description);
  view.setUint32(0, address, true);
  view.setBigUint64(8, BigInt(bytes.length), true);
  const status = exported[`${NAME}_check_weights`](description);
  if (status !== 0) throw new RangeError(`${NAME}: ${errorText(exported, status)}`);
  return { address, bytes: bytes.length, end: description };
}

/**
 * The model, ready to be called.
 *
 * @param source the WebAssembly: an address, its bytes, or a compiled module; if it is not given,
 *   the file that was written with this one, beside it
 * @param weights the file of weights, for models that have one: likewise
 */
export async function load(source, weights) {
  source ??= new URL(FILE, import.meta.url);
  if (WEIGHTS) weights ??= new URL(WEIGHTS, import.meta.url);
  const compiled =
    tagOf(source) === "WebAssembly.Module"
      ? source
      : await WebAssembly.compile(await bytesOf(source));
  const { exports: exported } = await WebAssembly.instantiate(compiled, {});
  const loaded = await loadWeights(exported, weights);
  return { [NAME]: (...values) => call(exported, loaded, ...values) };
}
