// The page of benchmarks/browser.py: what it measures stands in the address.
// A contender is prepared as a page would do it, and gives a function of an image to its scores.
const { origin, searchParams } = new URL(location);
const PIXELS = 28 * 28;

/** Runs a script that is no module: what it defines is global. */
const script = (path) =>
  new Promise((resolve, reject) => {
    const element = Object.assign(document.createElement("script"), { src: origin + path });
    element.onload = resolve;
    element.onerror = () => reject(new Error(`${path} could not be loaded`));
    document.head.append(element);
  });

const contenders = {
  async weft() {
    const { load } = await import(`${origin}/network/network.mjs`);
    const model = await load(`${origin}/network/network.wasm`);
    return (image) => model.network(image).data;
  },

  async tensorflow() {
    const folder = "/packages/@tensorflow/tfjs-backend-wasm/dist/";
    await script("/packages/@tensorflow/tfjs/dist/tf.min.js");
    await script(`${folder}tf-backend-wasm.min.js`);
    tf.env().set("WASM_HAS_MULTITHREAD_SUPPORT", false);
    tf.wasm.setWasmPaths(origin + folder);
    if (!(await tf.setBackend("wasm"))) throw new Error("TensorFlow.js has no WASM backend here");
    const model = await tf.loadLayersModel(`${origin}/network/network.json`);
    return (image) =>
      tf.tidy(() => model.predict(tf.tensor4d(image, [1, 28, 28, 1])).dataSync());
  },

  async onnxruntime() {
    const folder = "/packages/onnxruntime-web/dist/";
    await script(`${folder}ort.wasm.min.js`);
    Object.assign(ort.env.wasm, { numThreads: 1, wasmPaths: origin + folder });
    const network = await ort.InferenceSession.create(`${origin}/network/network.onnx`, {
      executionProviders: ["wasm"],
    });
    const [input, output] = [network.inputNames[0], network.outputNames[0]];
    return async (image) => {
      const tensor = new ort.Tensor("float32", image, [1, 1, 28, 28]);
      return (await network.run({ [input]: tensor }))[output].data;
    };
  },
};

const image = Float32Array.from({ length: PIXELS }, (_, i) => Math.sin(i) / 2 + 0.5);

/** Milliseconds from nothing to the scores of the first image, and these. */
async function first(name) {
  const start = performance.now();
  const scores = await (await contenders[name]())(image);
  return { milliseconds: performance.now() - start, scores: Array.from(scores) };
}

/** Milliseconds of a call of each contender in turn, ten calls at a time: clocks of pages are coarse. */
async function calls(names, seconds) {
  const [count, warm] = [10, 20];
  const runs = {};
  for (const name of names) runs[name] = await contenders[name]();
  const samples = Object.fromEntries(names.map((name) => [name, []]));
  const end = performance.now() + 1000 * seconds;
  for (let round = 0; performance.now() < end || round < warm + 3; ++round)
    for (const name of names) {
      const start = performance.now();
      for (let i = 0; i < count; ++i) await runs[name](image);
      if (round >= warm) samples[name].push((performance.now() - start) / count);
    }
  return samples;
}

const names = searchParams.get("names").split(",");
let answer;
try {
  answer = await (searchParams.get("measure") === "first"
    ? first(names[0])
    : calls(names, Number(searchParams.get("seconds"))));
} catch (error) {
  answer = { error: `${error.name}: ${error.message}` };
}
await fetch(`${origin}/answer`, { method: "POST", body: JSON.stringify(answer) });
