// The page of docs/web_demo: a bundle for text classification in transformers.js, with its own self-test.
import { AutoModelForSequenceClassification, AutoTokenizer, Tensor, env } from "@huggingface/transformers";

const BUNDLE = "bundle";
// What transformers.js calls the files that it looks for.
const DTYPES = { fp32: "fp32", int8: "q8", fp16: "fp16" };
const EXAMPLES = [
  "A warm, funny film that I would watch again tomorrow.",
  "Two hours that I will never get back.",
  "Slow at first, and then I could not look away.",
];
// As golden.py: the largest difference, as a share of the largest reference value, that is no other answer.
const LARGEST_SHARE = { fp32: 0.01, fp16: 0.1, int8: 0.75 };
const NEGLIGIBLE = 1e-4;
const WARM = 5;

env.allowLocalModels = true;
env.allowRemoteModels = false;
env.localModelPath = "./";
env.useBrowserCache = env.useWasmCache = false;
env.backends.onnx.wasm.wasmPaths = { wasm: new URL("vendor/ort-wasm-simd-threaded.wasm", import.meta.url).href };
// More need headers that isolate the page from all others, and a text of this length gains little.
env.backends.onnx.wasm.numThreads = 1;

const $ = (id) => document.getElementById(id);
const json = async (name) => {
  const answer = await fetch(`${BUNDLE}/${name}`);
  if (!answer.ok) throw new Error(`${BUNDLE}/${name}: ${answer.status} ${answer.statusText}`);
  return answer.json();
};
const manifest = await json("bundle.json").catch(fail);
const artifacts = manifest.artifacts.filter((one) => one.runtime === "onnx" && one.precision in DTYPES);
const models = new Map();
let tokenizer, artifact, model;

function fail(error) {
  $("state").textContent = `This does not work here: ${error.message}`;
  $("state").className = "bad";
  throw error;
}

function element(name, text, parent) {
  const made = document.createElement(name);
  made.textContent = text;
  parent.append(made);
  return made;
}

function list(target, facts) {
  target.replaceChildren();
  target.hidden = false;
  for (const [name, value] of Object.entries(facts)) {
    const pair = element("div", "", target);
    element("dt", name, pair);
    element("dd", value, pair);
  }
}

function busy(is, said = "") {
  for (const id of ["classify", "run", "files"]) $(id).disabled = is;
  $("state").textContent = said;
}

/** Load a file of the bundle, once. */
async function choose(next) {
  busy(true, `Loading ${(next.bytes / 1e6).toFixed(1)} MB…`);
  artifact = next;
  if (!models.has(next.path)) {
    const options = { dtype: DTYPES[next.precision], device: "wasm" };
    models.set(next.path, await AutoModelForSequenceClassification.from_pretrained(BUNDLE, options).catch(fail));
  }
  model = models.get(next.path);
  for (const id of ["verdict", "figures", "findings", "answer"]) $(id).hidden = true;
  busy(false);
}

function scores(logits) {
  if (manifest.postprocessing.kind === "regression") return logits;
  if (manifest.postprocessing.kind === "sigmoid") return logits.map((value) => 1 / (1 + Math.exp(-value)));
  const top = Math.max(...logits), powers = logits.map((value) => Math.exp(value - top));
  return powers.map((value) => value / powers.reduce((sum, one) => sum + one));
}

async function classify(text) {
  busy(true, "Thinking…");
  const inputs = await tokenizer(text, { truncation: true, max_length: artifact.max_length });
  const times = [];
  let logits;
  for (let run = 0; run < WARM; run++) {
    const start = performance.now();
    ({ logits } = await model(inputs));
    times.push(performance.now() - start);
  }
  const found = scores(Array.from(logits.data)).map((score, n) => ({ score, label: manifest.labels[n] }));
  if (manifest.postprocessing.kind !== "regression") found.sort((one, other) => other.score - one.score);
  $("answer").hidden = false;
  $("best").textContent = found[0].label;
  $("scores").replaceChildren();
  for (const { label, score } of found) {
    const row = element("li", "", $("scores"));
    const isShare = manifest.postprocessing.kind !== "regression";
    if (isShare) element("i", "", row).style.width = `${(100 * score).toFixed(1)}%`;
    element("span", label, row);
    element("span", isShare ? `${(100 * score).toFixed(1)} %` : score.toFixed(4), row);
  }
  list($("facts"), {
    Time: `${times.toSorted((one, other) => one - other)[WARM >> 1].toFixed(1)} ms`,
    Tokens: inputs.input_ids.dims[1],
    File: `${artifact.precision}, ${(artifact.bytes / 1e6).toFixed(1)} MB`,
  });
  busy(false);
}

/** By how much an output may differ, as golden.py has it. */
function allowed(cases) {
  const [parity] = artifact.parity;
  const peak = Math.max(...cases.flatMap((one) => one.outputs[0].values.map(Math.abs)));
  const stated = Math.max(2 * parity.max_abs, parity.atol ?? NEGLIGIBLE);
  return Math.min(stated, Math.max(NEGLIGIBLE, LARGEST_SHARE[artifact.precision] * peak));
}

async function sameIds(one) {
  const [text, text_pair] = one.texts;
  const { input_ids } = await tokenizer(text, { text_pair, truncation: true, max_length: one.max_length });
  return Array.from(input_ids.data, Number).join() === one.input_ids[0].join();
}

async function selfTest() {
  busy(true);
  const { cases } = await json("golden.json").catch(fail);
  const most = allowed(cases), findings = [];
  let worst = 0, same = 0, texts = 0, apart = 0;
  $("progress").hidden = false;
  for (const [done, one] of cases.entries()) {
    $("progress").value = done / cases.length;
    // transformers.js 4.3 cuts the last [SEP] of a text that is too long, and takes an empty second text for none.
    const isApart = one.input_ids[0].length === one.max_length || one.texts[1] === "";
    if (one.texts.length && isApart) apart += 1;
    else if (one.texts.length) {
      texts += 1;
      if (await sameIds(one)) same += 1;
      else findings.push(`${one.name}: other ids than the reference's tokenizer`);
    }
    const tensor = (rows) => new Tensor("int64", BigInt64Array.from(rows.flat(), BigInt), [rows.length, rows[0].length]);
    const { logits } = await model({
      input_ids: tensor(one.input_ids),
      attention_mask: tensor(one.attention_mask),
      token_type_ids: tensor(one.token_type_ids),
    });
    const [expected] = one.outputs;
    const difference = Math.max(...expected.indices.map((at, n) => Math.abs(logits.data[at] - expected.values[n])));
    // NaN is no agreement.
    if (!(difference <= most)) findings.push(`${one.name}: differs by ${difference.toPrecision(3)}`);
    worst = Math.max(worst, difference);
  }
  $("progress").hidden = true;
  $("verdict").hidden = false;
  $("verdict").className = findings.length ? "bad" : "good";
  $("verdict").textContent = findings.length ? `Failed: ${findings.length} findings` : "Passed: it answers as the reference does";
  list($("figures"), {
    Answers: `${cases.length} compared`,
    "Largest difference": `${worst.toPrecision(2)}, allowed ${most.toPrecision(2)}`,
    "Same ids": `${same} of ${texts} texts`,
    "Ids not compared": `${apart} texts`,
  });
  $("findings").replaceChildren();
  $("findings").hidden = !findings.length;
  for (const finding of findings) element("li", finding, $("findings"));
  busy(false);
}

function begin() {
  const { source, producer, tokenizer: facts } = manifest;
  $("about").textContent = `${source.name} for ${manifest.task}, up to ${facts.max_length} tokens`;
  $("versions").textContent = `squeezebert-mobile ${producer.squeezebert_mobile}, transformers.js ${env.version}, ` +
    `ONNX Runtime Web ${env.backends.onnx.versions.web}`;
  for (const one of artifacts) {
    const label = element("label", "", $("files")), radio = element("input", "", label);
    Object.assign(radio, { type: "radio", name: "file", value: one.precision, onchange: () => choose(one) });
    element("span", `${one.precision} · ${(one.bytes / 1e6).toFixed(1)} MB`, label);
  }
  for (const text of EXAMPLES) {
    const chip = element("button", text, $("examples"));
    chip.type = "button";
    chip.onclick = () => { $("text").value = text; $("ask").requestSubmit(); };
  }
  $("ask").onsubmit = (event) => { event.preventDefault(); if (!$("classify").disabled) classify($("text").value).catch(fail); };
  $("text").onkeydown = (event) => { if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) $("ask").requestSubmit(); };
  $("run").onclick = () => selfTest().catch(fail);
}

begin();
tokenizer = await AutoTokenizer.from_pretrained(BUNDLE).catch(fail);
// int8 first, as everywhere.
const first = artifacts.find((one) => one.precision === "int8") ?? artifacts[0];
document.querySelector(`input[value=${first.precision}]`).checked = true;
await choose(first);
