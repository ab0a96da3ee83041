"""Calls of a bundle in the languages of its readers, for the card: complete programs, run in the bundle's folder."""

import json

from squeezebert_mobile.bundle.manifest import Artifact, Manifest
from squeezebert_mobile.tasks import Precision, Runtime, Task

_TEXT = "A warm, funny film that I would watch again tomorrow."
_SECOND = {
    Task.QUESTION_ANSWERING: "Spiders are arachnids, so each of them walks on eight legs.",
    Task.MULTIPLE_CHOICE: "I loved it.\nI slept.",
}
_FIRST = {Task.QUESTION_ANSWERING: "How many legs does a spider have?", Task.MULTIPLE_CHOICE: "The film was warm."}
# What transformers.js calls the files that it looks for.
_DTYPES: dict[Precision, str] = {"int8": "q8", "fp32": "fp32", "fp16": "fp16"}

# What makes an answer of `outputs`, arrays by name.
_ANSWERS = {
    "softmax": """logits = outputs["logits"][0]
scores = np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()
print(dict(zip(LABELS, scores.tolist())))""",
    "sigmoid": """print(dict(zip(LABELS, (1 / (1 + np.exp(-outputs["logits"][0]))).tolist())))""",
    "regression": """print(dict(zip(LABELS, outputs["logits"][0].tolist())))""",
    "entity-spans": """labels = LABELS
print([(token, labels[i]) for token, i in zip(row.tokens, outputs["logits"][0].argmax(-1))])""",
    "answer-span": """context = [n for n, text in enumerate(row.sequence_ids) if text == 1]
start = max(context, key=lambda n: outputs["start_logits"][0][n])
end = max([n for n in context if n >= start], key=lambda n: outputs["end_logits"][0][n])
print(SECOND[row.offsets[start][0] : row.offsets[end][1]])""",
    "mask-fillings": """best = outputs["logits"][0][row.ids.index(MASK)].argsort()[::-1][:5]
print([tokenizer.id_to_token(int(i)) for i in best])""",
    "choice": """print(outputs["logits"].reshape(-1).tolist(), "the largest is the choice")""",
    "none": """print({name: array.shape for name, array in outputs.items()})""",
}


def file_for(manifest: Manifest, runtime: Runtime) -> Artifact | None:
    """The file to take of a runtime, None where the bundle has none for it."""
    chosen = [artifact for artifact in manifest.artifacts if artifact.runtime == runtime]
    return min(chosen, key=lambda artifact: artifact.preference, default=None)


def texts(manifest: Manifest) -> tuple[str, str]:
    """The example's text, and its second text (choices: one a line) or nothing."""
    first = _FIRST.get(manifest.task, _TEXT)
    if manifest.task is Task.FILL_MASK:
        facts = manifest.tokenizer
        mask = next((t.content for t in facts.added_tokens if t.id == facts.mask_token_id), "[MASK]")
        first = f"A warm, {mask} film."
    return first, _SECOND.get(manifest.task, "")


def python_onnx(manifest: Manifest, artifact: Artifact) -> str:
    """Python with onnxruntime, tokenizers and numpy."""
    return "\n".join(
        [
            "import numpy as np",
            "import onnxruntime",
            "from tokenizers import Tokenizer",
            "",
            *_rows(manifest),
            f"session = onnxruntime.InferenceSession({_quoted(artifact.path)})",
            'inputs = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": types}'
            if manifest.task is not Task.MULTIPLE_CHOICE
            else 'inputs = {"input_ids": ids[None], "attention_mask": mask[None], "token_type_ids": types[None]}',
            "names = [output.name for output in session.get_outputs()]",
            "outputs = dict(zip(names, session.run(names, inputs)))",
            *_answer(manifest),
        ]
    )


def python_executorch(manifest: Manifest, artifact: Artifact) -> str:
    """Python with executorch, torch and tokenizers."""
    names = json.dumps([output.name for output in artifact.outputs])
    call = "[array.numpy() for array in method.execute([torch.tensor(ids), torch.tensor(types)])]"
    if manifest.task is Task.MULTIPLE_CHOICE:
        # One row a call, as long as it is: nothing is padded.
        call = (
            "[np.concatenate([method.execute([torch.tensor([r.ids]), torch.tensor([r.type_ids])])[0].numpy() "
            "for r in rows])]"
        )
    return "\n".join(
        [
            "import executorch.kernels.quantized  # int8 word tables",
            "import numpy as np",
            "import torch",
            "from executorch.runtime import Runtime",
            "from tokenizers import Tokenizer",
            "",
            *_rows(manifest, padded=False),
            f"program = Runtime.get().load_program({_quoted(artifact.path)})",
            'method = program.load_method("forward")',
            f"outputs = dict(zip({names}, {call}))",
            *_answer(manifest),
        ]
    )


def java(manifest: Manifest, artifact: Artifact) -> str:
    """Java with the module of the runtime; Kotlin calls the same classes."""
    first, second = map(_quoted, texts(manifest))
    choices = ", ".join(map(_quoted, texts(manifest)[1].split("\n")))
    call = {
        Task.TEXT_CLASSIFICATION: f"model.classify({first}).labels()",
        Task.TOKEN_CLASSIFICATION: f"model.entities({first})",
        Task.QUESTION_ANSWERING: f"model.answer({first}, {second})",
        Task.FILL_MASK: f"model.fillMask({first})",
        Task.MULTIPLE_CHOICE: f"model.choose({first}, Arrays.asList({choices})).labels()",
        Task.FEATURE_EXTRACTION: f"model.embed({first}).length",
    }[manifest.task]
    options = f'Options.builder().runtime("{artifact.runtime}").precision("{artifact.precision}").build()'
    return "\n".join(
        [
            f'try (SqueezeBert model = SqueezeBert.open(Paths.get("my-bundle"), {options})) {{',
            f"    System.out.println({call});",
            "}",
        ]
    )


def javascript(manifest: Manifest) -> str | None:
    """transformers.js beside the bundle's folder, None where it has no such pipeline or no file that it looks for."""
    files = [a for a in manifest.artifacts if a.runtime == "onnx" and a.form is None and a.precision in _DTYPES]
    answers = manifest.postprocessing
    pooled = answers.pooling is not None and answers.pooling.mode != "max"
    if not files or answers.kind in ("regression", "choice") or (answers.kind == "none" and not pooled):
        return None
    dtype = _DTYPES[min(files, key=lambda artifact: artifact.preference).precision]
    asked = ", ".join(_quoted(text) for text in texts(manifest) if text)
    if answers.pooling is not None:
        normalize = "true" if answers.pooling.normalize else "false"
        asked += f', {{ pooling: "{answers.pooling.mode}", normalize: {normalize} }}'
    if answers.kind in ("softmax", "sigmoid"):
        asked += ", { top_k: null }"
    return "\n".join(
        [
            'import { env, pipeline } from "@huggingface/transformers";',
            "env.allowLocalModels = true;",
            "env.allowRemoteModels = false;",
            'env.localModelPath = ".";',
            f'const answer = await pipeline("{manifest.task}", "my-bundle", {{ dtype: "{dtype}" }});',
            f"console.log(await answer({asked}));",
        ]
    )


def swift(artifact: Artifact) -> str:
    """Swift with Core AI, written from its documentation alone: every golden text through the model on the device."""
    output = artifact.outputs[0].name
    allowed = artifact.allowed_differences()[output]
    return "\n".join(
        [
            "import CoreAI",
            "import Foundation",
            "struct Golden: Decodable { let cases: [Case] }",
            "struct Case: Decodable { let name: String, input_ids, token_type_ids: [[Int32]], outputs: [Output] }",
            "struct Output: Decodable { let indices: [Int], values: [Float] }",
            "",
            'let bundle = Bundle.main.url(forResource: "my-bundle", withExtension: nil)!',
            'let data = try Data(contentsOf: bundle.appending(path: "golden.json"))',
            f"let model = try await AIModel(contentsOf: bundle.appending(path: {_quoted(artifact.path)}))",
            'let main = try model.loadFunction(named: "main")!',
            "for test in try JSONDecoder().decode(Golden.self, from: data).cases where test.input_ids.count == 1 {",
            "    let shape = [1, test.input_ids[0].count]",
            '    let ids = ["input_ids": NDArray(scalars: test.input_ids[0], shape: shape),',
            '               "token_type_ids": NDArray(scalars: test.token_type_ids[0], shape: shape)]',
            "    var outputs = try await main.run(inputs: ids)",
            f"    outputs.remove({_quoted(output)})!.view(as: Float.self).withUnsafePointer {{ found, _, _ in",
            "        let pairs = zip(test.outputs[0].indices, test.outputs[0].values)",
            "        let worst = pairs.map { abs(found[$0] - $1) }.max()!",
            f'        precondition(worst <= {allowed:g}, "\\(test.name) differs by \\(worst)")',
            "    }",
            "}",
        ]
    )


def _rows(manifest: Manifest, *, padded: bool = True) -> list[str]:
    """From the text to `row`, `ids` and `types`; choices have a row each."""
    first, second = texts(manifest)
    length, side = manifest.tokenizer.max_length, _quoted(manifest.tokenizer.truncation_side)
    lines = [
        'tokenizer = Tokenizer.from_file("tokenizer.json")',
        f"tokenizer.enable_truncation({length}, direction={side})",
    ]
    if manifest.task is Task.MULTIPLE_CHOICE:
        choices = json.dumps(second.split("\n"))
        pad = [f"tokenizer.enable_padding(pad_id={manifest.tokenizer.pad_token_id or 0})"] if padded else []
        lines += [*pad, f"rows = tokenizer.encode_batch([({_quoted(first)}, choice) for choice in {choices}])"]
        names = (("ids", "ids"), ("mask", "attention_mask"), ("types", "type_ids")) if padded else ()
        return lines + [f"{name} = np.array([row.{key} for row in rows])" for name, key in names]
    given = ", ".join(_quoted(text) for text in (first, second) if text)
    return [*lines, f"row = tokenizer.encode({given})", "ids, types = np.array([row.ids]), np.array([row.type_ids])"]


def _answer(manifest: Manifest) -> list[str]:
    lines = _ANSWERS[manifest.postprocessing.kind]
    _, second = texts(manifest)
    for name, value in (("LABELS", json.dumps(manifest.labels)), ("SECOND", _quoted(second))):
        lines = lines.replace(name, value)
    return lines.replace("MASK", str(manifest.tokenizer.mask_token_id)).split("\n")


def _quoted(text: str) -> str:
    """A literal of Python, JavaScript and Java."""
    return json.dumps(text)
