// Draws on a canvas and shows what the network says of the drawing, at each stroke.
import { load } from "./fashion.js";

const CLASSES = [
  "T-shirt",
  "Trousers",
  "Pullover",
  "Dress",
  "Coat",
  "Sandal",
  "Shirt",
  "Sneaker",
  "Bag",
  "Ankle boot",
];
const SIZE = 28;

const canvas = document.querySelector("#canvas");
const brush = document.querySelector("#brush");
const erase = document.querySelector("#erase");
const status = document.querySelector("#status");
const pen = canvas.getContext("2d");
const small = Object.assign(document.createElement("canvas"), { width: SIZE, height: SIZE });
const reader = small.getContext("2d", { willReadFrequently: true });

const rows = CLASSES.map((name) => {
  const row = document.createElement("li");
  row.append(
    Object.assign(document.createElement("span"), { textContent: name }),
    document.createElement("span"),
  );
  document.querySelector("#classes").append(row);
  return row;
});

/** The drawing as the network was taught: 28 x 28 numbers from 0, black, to 1. */
function pixels() {
  reader.imageSmoothingQuality = "high";
  reader.drawImage(canvas, 0, 0, SIZE, SIZE);
  const colors = reader.getImageData(0, 0, SIZE, SIZE).data;
  return Float32Array.from({ length: SIZE * SIZE }, (_, i) => colors[4 * i] / 255);
}

function probabilities(scores) {
  const largest = Math.max(...scores);
  const weights = Array.from(scores, (score) => Math.exp(score - largest));
  const sum = weights.reduce((left, right) => left + right);
  return weights.map((weight) => weight / sum);
}

function show(shares) {
  const best = shares ? shares.indexOf(Math.max(...shares)) : -1;
  rows.forEach((row, i) => {
    row.style.setProperty("--share", shares?.[i] ?? 0);
    row.classList.toggle("best", i === best);
    row.lastChild.textContent = shares ? `${(100 * shares[i]).toFixed(1)} %` : "";
  });
}

function clear() {
  pen.fillStyle = "#000";
  pen.fillRect(0, 0, canvas.width, canvas.height);
  show();
}

function stroke(from, to) {
  pen.strokeStyle = erase.ariaPressed === "true" ? "#000" : "#d8d8d8";
  pen.lineWidth = brush.valueAsNumber;
  pen.lineCap = pen.lineJoin = "round";
  pen.beginPath();
  pen.moveTo(...from);
  pen.lineTo(...to);
  pen.stroke();
}

/** A pair of trousers. */
function drawExample() {
  clear();
  pen.fillStyle = "#d8d8d8";
  pen.beginPath();
  for (const [x, y] of [[92, 20], [188, 20], [200, 262], [156, 262], [140, 96], [124, 262], [80, 262]])
    pen.lineTo(x, y);
  pen.fill();
}

function placeOf(event) {
  const box = canvas.getBoundingClientRect();
  const scale = canvas.width / box.width;
  return [(event.clientX - box.left) * scale, (event.clientY - box.top) * scale];
}

clear();
try {
  const model = await load();
  let isAsked = false;
  /** At most once for each picture that the screen shows. */
  const classify = () => {
    if (isAsked) return;
    isAsked = true;
    requestAnimationFrame(() => {
      isAsked = false;
      const start = performance.now();
      const scores = model.fashion({ data: pixels(), shape: [1, 1, SIZE, SIZE] });
      status.textContent = `${(performance.now() - start).toFixed(1)} ms on this device`;
      show(probabilities(scores.data));
    });
  };
  let last;
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    last = placeOf(event);
    stroke(last, last);
    classify();
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!last) return;
    for (const part of event.getCoalescedEvents?.() ?? [event]) {
      const next = placeOf(part);
      stroke(last, next);
      last = next;
    }
    classify();
  });
  for (const end of ["pointerup", "pointercancel"])
    canvas.addEventListener(end, () => {
      last = undefined;
    });
  erase.addEventListener("click", () => {
    erase.ariaPressed = String(erase.ariaPressed !== "true");
  });
  document.querySelector("#clear").addEventListener("click", clear);
  document.querySelector("#example").addEventListener("click", () => {
    drawExample();
    classify();
  });
  status.textContent = "Ready.";
  if (location.search === "?example") document.querySelector("#example").click();
} catch (error) {
  status.textContent = `The model can't be loaded: ${error.message}`;
}
