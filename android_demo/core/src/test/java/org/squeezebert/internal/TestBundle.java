package org.squeezebert.internal;

import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Writes small bundles whose model files are text: core never looks into them. */
public final class TestBundle {
    public static final List<String> WORDS = Arrays.asList("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "bad", "film", "##s", ".");

    public final Map<String, byte[]> files = new LinkedHashMap<>();
    public final Map<String, Object> manifest = new LinkedHashMap<>();
    double atol = 1e-4;

    public TestBundle(TaskKind task, PostProcessing kind, String... labels) {
        files.put("vocab.txt", utf8(String.join("\n", WORDS) + "\n"));
        files.put("golden.json", utf8("{\"schema_version\":1,\"cases\":[]}"));
        files.put("onnx/model.onnx", utf8("not a model"));
        manifest.put("schema_version", 2);
        manifest.put("task", task.id);
        manifest.put("labels", Arrays.asList(labels));
        manifest.put("postprocessing", object("kind", kind.id));
        Map<String, Object> tokenizer = new LinkedHashMap<>();
        for (String flag : new String[] {"lowercase", "strip_accents", "tokenize_chinese_chars"}) tokenizer.put(flag, true);
        tokenizer.put("max_length", 16);
        tokenizer.put("vocab_size", WORDS.size());
        String[] ids = {"pad", "unk", "cls", "sep", "mask"};
        for (int i = 0; i < ids.length; i++) tokenizer.put(ids[i] + "_token_id", i);
        manifest.put("tokenizer", tokenizer);
        manifest.put("recommended_call", object("batch", 1, "padding", "none", "threads", 1));
        manifest.put("producer", object("squeezebert_mobile", "0", "torch", "0", "onnx", "0", "onnxruntime", "0", "executorch", "0"));
        manifest.put("source", object("name", "test", "revision", null, "files", Collections.emptyList(), "digest", zeros(), "notes", Collections.emptyList()));
    }

    static Map<String, Object> object(Object... pairs) {
        Map<String, Object> map = new LinkedHashMap<>();
        for (int i = 0; i < pairs.length; i += 2) map.put((String) pairs[i], pairs[i + 1]);
        return map;
    }

    public static String zeros() {
        return String.join("", Collections.nCopies(64, "0"));
    }

    public static byte[] utf8(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    /** bundle.json for the files as they are now. */
    public byte[] manifestBytes() {
        List<Object> plain = new ArrayList<>();
        List<Object> artifacts = new ArrayList<>();
        for (Map.Entry<String, byte[]> file : files.entrySet()) {
            Map<String, Object> entry = object("path", file.getKey(), "sha256", Digests.sha256(file.getValue()), "bytes", file.getValue().length);
            if (file.getKey().startsWith("onnx/")) {
                artifacts.add(describe(entry));
            } else {
                plain.add(entry);
            }
        }
        manifest.putIfAbsent("files", plain);
        manifest.putIfAbsent("artifacts", artifacts);
        manifest.put("seal", zeros());
        String text = Json.write(manifest).replace("\"seal\":\"" + zeros() + "\"", Manifest.UNSEALED);
        return utf8(text.replace(Manifest.UNSEALED, Manifest.UNSEALED.replace(zeros(), Digests.sha256(utf8(text)))));
    }

    private int classes() {
        return manifest.get("labels") instanceof List ? ((List<?>) manifest.get("labels")).size() : 1;
    }

    private Map<String, Object> describe(Map<String, Object> entry) {
        List<Object> inputs = new ArrayList<>();
        for (String name : new String[] {"input_ids", "attention_mask", "token_type_ids"}) {
            inputs.add(object("name", name, "dtype", "int64", "axes", Arrays.asList("batch_size", "sequence_length")));
        }
        Map<String, Object> count = object("parameters", 0, "flops", 0);
        List<Object> none = Collections.emptyList();
        entry.putAll(object("runtime", "onnx", "precision", entry.get("path").toString().contains("quantized") ? "int8" : "fp32", "version", "opset 18", "batch", null, "max_length", 16, "inputs", inputs,
            "outputs", Collections.singletonList(object("name", "logits", "dtype", "float32", "axes", Arrays.asList("batch_size", classes()))),
            "inventory", object("fast", none, "fallbacks", none, "quantized", count, "floating", count, "kept_float", none, "ranges", none),
            "parity", Collections.singletonList(object("output", "logits", "atol", atol, "min_psnr_db", null, "max_abs", 1e-6, "psnr_db", 99.0,
                "argmax_agreement", 1.0, "cases", 1)),
            "oldest_runtime", "1.20"));
        return entry;
    }

    /** Writes the folder as it stands, damaged or not. */
    public Path write(Path folder) throws Exception {
        byte[] bytes = manifestBytes();
        for (Map.Entry<String, byte[]> file : files.entrySet()) {
            Path path = folder.resolve(file.getKey());
            Files.createDirectories(path.getParent());
            Files.write(path, file.getValue());
        }
        Files.write(folder.resolve(Manifest.NAME), bytes);
        return folder;
    }
}
