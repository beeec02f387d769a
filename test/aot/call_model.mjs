// Calls a model that weftc compiled to WebAssembly: node call_model.mjs SCRIPT reads calls as JSON
// from the standard input, and writes what they return, or say, likewise.
import { pathToFileURL } from "node:url";

const kinds = {
  b1: Uint8Array,
  i1: Int8Array,
  i2: Int16Array,
  i4: Int32Array,
  i8: BigInt64Array,
  u1: Uint8Array,
  u2: Uint16Array,
  u4: Uint32Array,
  u8: BigUint64Array,
  f4: Float32Array,
  f8: Float64Array,
};

function read(value) {
  if (value === null || typeof value !== "object") return value;
  if (!("base64" in value))
    return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, read(inner)]));
  const bytes = new Uint8Array(Buffer.from(value.base64, "base64"));
  const data = new kinds[value.kind](bytes.buffer);
  return value.shape ? { data, shape: value.shape } : data;
}

const write = ({ data, shape, dtype }) => ({
  base64: Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString("base64"),
  kind: data.constructor.name,
  shape,
  dtype,
});

let text = "";
for await (const part of process.stdin) text += part;
const { method, calls, sources, repeat } = JSON.parse(text);
const { load, outputs } = await import(pathToFileURL(process.argv[2]));
const answers = [];
let model;
try {
  model = await load(...(sources ?? []));
} catch (error) {
  answers.push({ error: `${error.name}: ${error.message}` });
}
for (const given of model ? calls : [])
  try {
    const result = model[method](...given.map(read));
    const tensors = "data" in result ? [result] : outputs.map(({ name }) => result[name]);
    const answer = { outputs: tensors.map(write) };
    if (repeat) {
      const values = given.map(read);
      const start = performance.now();
      for (let i = 0; i < repeat; ++i) model[method](...values);
      answer.milliseconds = (performance.now() - start) / repeat;
    }
    answers.push(answer);
  } catch (error) {
    answers.push({ error: `${error.name}: ${error.message}` });
  }
console.log(JSON.stringify(answers));
