package org.squeezebert.internal;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;

/** One runnable file of a bundle, or a folder of files. */
public final class Artifact extends FileEntry {
    public final String runtime;
    public final String precision;
    public final int maxLength;
    public final List<Port> inputs;
    public final List<Port> outputs;
    public final List<Parity> parity;
    /** "ort" for a graph in ONNX Runtime's own format, null for what else a runtime takes. */
    public final String form;
    /** What a folder is made of, empty for a file. */
    private final List<FileEntry> files;

    Artifact(JsonValue json) throws JsonException {
        super(json);
        json.allowOnly("path", "sha256", "bytes", "runtime", "precision", "version", "batch", "max_length", "inputs", "outputs",
            "inventory", "parity", "oldest_runtime", "accuracy", "files", "form");
        runtime = oneOf(json.get("runtime"), "onnx", "executorch", "coreai");
        precision = oneOf(json.get("precision"), "fp32", "fp16", "int8", "int8-static");
        json.get("version").string(); // the opset of an ONNX file, the schema of a .pte
        if (!json.get("batch").isNull()) json.get("batch").count(1);
        maxLength = json.get("max_length").count(1);
        inputs = ports(json.get("inputs"));
        outputs = ports(json.get("outputs"));
        List<Parity> measured = new ArrayList<>();
        for (JsonValue item : json.get("parity").items()) measured.add(new Parity(item));
        parity = Collections.unmodifiableList(measured);
        json.get("oldest_runtime").string();
        requireInventory(json.get("inventory"));
        if (json.has("accuracy") && !json.get("accuracy").isNull()) requireAccuracy(json.get("accuracy"));
        List<FileEntry> parts = new ArrayList<>();
        for (JsonValue item : json.has("files") ? json.get("files").items() : Collections.<JsonValue>emptyList()) parts.add(FileEntry.plain(item));
        files = Collections.unmodifiableList(parts);
        requireFolder();
        form = json.has("form") && !json.get("form").isNull() ? oneOf(json.get("form"), "ort") : null;
        if (form != null && !runtime.equals("onnx")) throw new JsonException(path + " is of " + runtime + ", which has no form " + form);
    }

    /** The fastest of some that answers alike, as the host recommends them; the first where it recommends none, null of none. */
    public static Artifact preferred(List<Artifact> some) {
        for (String precision : new String[] {"int8", "int8-static", "fp32"}) {
            for (Artifact candidate : some) {
                if (candidate.precision.equals(precision)) return candidate;
            }
        }
        return some.isEmpty() ? null : some.get(0);
    }

    /** The files that it is made of. */
    List<FileEntry> everyFile() {
        return files.isEmpty() ? Collections.<FileEntry>singletonList(this) : files;
    }

    /** Refuses a folder's files that lie elsewhere, or do not make its digest and size. */
    private void requireFolder() throws JsonException {
        if (files.isEmpty() == runtime.equals("coreai")) throw new JsonException(path + " is of " + runtime + ", where a folder is Core AI's");
        if (files.isEmpty()) return;
        StringBuilder sums = new StringBuilder();
        long total = 0;
        for (FileEntry entry : files) {
            if (!entry.path.startsWith(path + "/")) throw new JsonException(path + " has files outside of it");
            sums.append(entry.sha256).append("  ").append(entry.path).append('\n');
            total += entry.bytes;
        }
        if (total != bytes || !Digests.sha256(sums.toString().getBytes(StandardCharsets.UTF_8)).equals(sha256)) {
            throw new JsonException(path + " is not what its files make");
        }
    }

    private static void requireAccuracy(JsonValue json) throws JsonException {
        json.allowOnly("metric", "value", "interval", "checkpoint", "checkpoint_interval", "drop", "drop_interval", "allowed_drop", "chance",
            "rows", "data", "data_sha256", "float_units");
        for (String key : new String[] {"metric", "data"}) json.get(key).string();
        for (String key : new String[] {"value", "checkpoint", "drop", "allowed_drop"}) json.get(key).number();
        for (String key : new String[] {"interval", "checkpoint_interval", "drop_interval"}) {
            json.get(key).allowOnly("low", "high");
            json.get(key).get("low").number();
            json.get(key).get("high").number();
        }
        if (!json.get("chance").isNull()) json.get("chance").number();
        json.get("rows").count(1);
        json.get("data_sha256").sha256();
        json.get("float_units").strings();
    }

    /** No screen shows it, but a manifest that the host's reader refuses is no bundle here either. */
    private static void requireInventory(JsonValue json) throws JsonException {
        json.allowOnly("fast", "fallbacks", "quantized", "floating", "kept_float", "ranges");
        if (json.has("fast")) json.get("fast").strings();
        for (String key : new String[] {"fallbacks", "kept_float"}) {
            for (JsonValue note : json.has(key) ? json.get(key).items() : Collections.<JsonValue>emptyList()) {
                note.allowOnly("name", "reason");
                note.get("name").string();
                note.get("reason").string();
            }
        }
        for (String key : new String[] {"quantized", "floating"}) {
            if (!json.has(key)) continue;
            json.get(key).allowOnly("parameters", "flops");
            json.get(key).get("parameters").size();
            json.get(key).get("flops").size();
        }
        for (JsonValue range : json.has("ranges") ? json.get("ranges").items() : Collections.<JsonValue>emptyList()) {
            range.allowOnly("name", "low", "high");
            range.get("name").string();
            range.get("low").number();
            range.get("high").number();
        }
    }

    List<String> outputNames() {
        List<String> names = new ArrayList<>();
        for (Port output : outputs) names.add(output.name);
        return names;
    }

    /** Refuses outputs of another rank or type than the task's, without a figure of their parity, or for other labels. */
    void requireFitting(TaskKind task, int labels) throws JsonException {
        List<String> measured = new ArrayList<>();
        for (Parity figure : parity) measured.add(figure.output);
        if (!measured.equals(outputNames())) throw new JsonException(path + " has not one parity for each output");
        for (Port output : outputs) {
            if (output.rank() != task.rankOf(output.name) || !output.dtype.equals("float32")) {
                throw new JsonException(path + " has an output " + output.name + " of another rank or type");
            }
            Object last = output.axes.get(output.rank() - 1);
            if (labels > 0 && !last.equals(labels)) throw new JsonException(path + " has " + last + " " + output.name + " for " + labels + " labels");
        }
    }

    /** "ONNX Runtime · int8", as the screens name it; "ONNX Runtime (.ort) · int8" in its own format. */
    public String title() {
        return runtimeName(runtime) + (form == null ? "" : " (." + form + ")") + " · " + precision;
    }

    /** The name of a runtime for people. */
    public static String runtimeName(String runtime) {
        return runtime.equals("onnx") ? "ONNX Runtime" : runtime.equals("coreai") ? "Core AI" : "ExecuTorch";
    }

    private static List<Port> ports(JsonValue json) throws JsonException {
        List<Port> ports = new ArrayList<>();
        for (JsonValue item : json.items()) ports.add(new Port(item));
        return Collections.unmodifiableList(ports);
    }

    static String oneOf(JsonValue json, String... known) throws JsonException {
        String value = json.string();
        if (!Arrays.asList(known).contains(value)) throw new JsonException(json.path() + " is \"" + value + "\", not one of " + Arrays.toString(known));
        return value;
    }

    /** An input or output of the model. */
    public static final class Port {
        public final String name;
        final String dtype;
        /** Names for free lengths, numbers for fixed ones. */
        public final List<Object> axes;

        Port(JsonValue json) throws JsonException {
            json.allowOnly("name", "dtype", "axes");
            name = json.get("name").string();
            dtype = oneOf(json.get("dtype"), "int64", "int32", "float32");
            List<Object> named = new ArrayList<>();
            for (JsonValue axis : json.get("axes").items()) named.add(axis.raw() instanceof String ? axis.string() : (Object) axis.count(1));
            if (named.isEmpty()) throw new JsonException(json.path() + ".axes is empty");
            axes = Collections.unmodifiableList(named);
        }

        public int rank() {
            return axes.size();
        }
    }

    /** What the exporter measured for one output against the reference. */
    public static final class Parity {
        public final String output;
        public final double maxAbs;
        public final double argmaxAgreement;
        /** The gate that the exporter applied: a largest difference, or null. */
        public final Double atol;
        /** The gate that the exporter applied: a smallest PSNR in dB, or null. */
        public final Double minPsnrDb;

        Parity(JsonValue json) throws JsonException {
            json.allowOnly("output", "atol", "min_psnr_db", "max_abs", "psnr_db", "argmax_agreement", "cases");
            output = json.get("output").string();
            atol = json.get("atol").isNull() ? null : (Double) json.get("atol").number();
            minPsnrDb = json.get("min_psnr_db").isNull() ? null : (Double) json.get("min_psnr_db").number();
            maxAbs = json.get("max_abs").number();
            if (!json.get("psnr_db").isNull()) json.get("psnr_db").number();
            argmaxAgreement = json.get("argmax_agreement").number();
            if (!(argmaxAgreement >= 0 && argmaxAgreement <= 1)) throw new JsonException(json.path() + ".argmax_agreement is not between 0 and 1");
            json.get("cases").count(0);
        }
    }
}
