package org.squeezebert.internal;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.squeezebert.SqueezeBertException;

/** bundle.json, schema versions 1 and 2: the only source of meaning in a bundle. Refuses whatever it does not know. */
public final class Manifest {
    public static final String NAME = "bundle.json";
    /** As the Python side: real ones have 0.1 MB, and JSON takes thirty times its size in memory. */
    static final int MAX_BYTES = 4 << 20;
    private static final int SCHEMA_VERSION = 2;
    private static final String LICENCE = "[A-Za-z0-9(][A-Za-z0-9.+() -]{0,254}";
    private static final String FIX = "export the bundle again";
    static final String UNSEALED = "\"seal\": \"" + String.join("", Collections.nCopies(64, "0")) + "\"";

    public final TaskKind task;
    public final List<String> labels;
    public final PostProcessing postProcessing;
    /** Whether an output is the vector of a text, which the artifact itself pools. */
    public final boolean pooled;
    /** By how many logits "no answer" must lead the best span to be the answer; null where every question is answered. */
    public final Double nullThreshold;
    public final TokenizerSpec tokenizer;
    public final List<FileEntry> files;
    public final List<Artifact> artifacts;
    public final int recommendedThreads;
    /** The versions that wrote the bundle, by package. */
    public final Map<String, String> producer;
    public final String sourceName;
    /** Of the model: an SPDX expression or an id of the hub, "unknown" where nobody said. */
    public final String license;
    /** Of a pack: its name and version; null where the bundle is none. */
    public final Release release;
    /** The model of somebody else that is measured beside ours, and with which nobody answers; null in every other bundle. */
    public final String peer;
    /** SHA-256 of the manifest's bytes: the identity of the bundle, since it holds every other digest. */
    public final String digest;

    /** The manifest of a bundle that is not checked yet. */
    public static Manifest read(BundleSource source) {
        return parse(bytes(source));
    }

    static byte[] bytes(BundleSource source) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        try (InputStream in = source.open(NAME)) {
            Digests.copy(in, out, MAX_BYTES); // one byte more than allowed is refused by the parser
        } catch (IOException e) {
            throw new SqueezeBertException(SqueezeBertException.Kind.INPUT, NAME, "cannot be read (" + e.getMessage() + ")", "choose the folder or zip of a bundle", e);
        }
        return out.toByteArray();
    }

    /** Parses and checks the bytes of bundle.json. */
    public static Manifest parse(byte[] utf8) {
        if (utf8.length > MAX_BYTES) throw new SqueezeBertException(SqueezeBertException.Kind.INPUT, NAME, "is too large", utf8.length, "up to " + MAX_BYTES, FIX);
        JsonValue json = Json.object(utf8, NAME);
        String text = new String(utf8, StandardCharsets.UTF_8);
        try {
            Object version = json.get("schema_version").raw();
            if (!(version instanceof Long) || (Long) version < 1 || (Long) version > SCHEMA_VERSION) {
                throw new SqueezeBertException(SqueezeBertException.Kind.INTEGRITY, NAME, "has an unknown schema_version", version, "1 to " + SCHEMA_VERSION,
                    "update the app, or export again with a version that it knows");
            }
            requireSeal(text, json.get("seal").string());
            if ((Long) version == 1) refuseLaterMembers(json);
            return new Manifest(json, Digests.sha256(utf8));
        } catch (JsonException e) {
            throw new SqueezeBertException(SqueezeBertException.Kind.INTEGRITY, NAME, "is not a manifest: " + e.getMessage(), FIX, e);
        }
    }

    /** What schema 2 added, which a reader of schema 1 would not know. */
    private static void refuseLaterMembers(JsonValue json) throws JsonException {
        json.refuse("license", "release", "peer");
        json.get("tokenizer").refuse("added_tokens", "single", "pair", "truncation_side");
        for (JsonValue artifact : json.get("artifacts").items()) artifact.refuse("accuracy", "files", "form");
    }

    /** The seal is the digest of the file with zeros in its place; one flipped bit in a label would be a wrong answer. */
    private static void requireSeal(String text, String seal) {
        String line = "\"seal\": \"" + seal + "\"";
        int at = text.indexOf(line);
        String unsealed = text.replace(line, UNSEALED);
        String found = at < 0 || text.indexOf(line, at + 1) >= 0 ? null : Digests.sha256(unsealed.getBytes(StandardCharsets.UTF_8));
        if (!seal.equals(found)) throw new SqueezeBertException(SqueezeBertException.Kind.INTEGRITY, NAME, "SHA-256 mismatch with its seal", found, seal, FIX);
    }

    private Manifest(JsonValue json, String digest) throws JsonException {
        this.digest = digest;
        json.allowOnly("schema_version", "task", "labels", "postprocessing", "tokenizer", "files", "artifacts", "recommended_call", "producer", "seal", "source", "license",
            "release", "peer");
        String[] tasks = new String[TaskKind.values().length];
        for (TaskKind kind : TaskKind.values()) tasks[kind.ordinal()] = kind.id;
        task = TaskKind.values()[indexOf(tasks, json.get("task"))];
        String[] kinds = new String[PostProcessing.values().length];
        for (PostProcessing kind : PostProcessing.values()) kinds[kind.ordinal()] = kind.id;
        JsonValue answers = json.get("postprocessing");
        boolean kindAlone = json.get("schema_version").whole() == 1;
        if (!kindAlone) answers.allowOnly("kind", "pooling", "null_threshold");
        postProcessing = PostProcessing.values()[indexOf(kinds, kindAlone ? answers : answers.get("kind"))];
        pooled = !kindAlone && answers.has("pooling") && pooled(answers.get("pooling"));
        nullThreshold = kindAlone || !answers.has("null_threshold") || answers.get("null_threshold").isNull() ? null
            : (Double) answers.get("null_threshold").number();
        labels = json.get("labels").strings();
        tokenizer = new TokenizerSpec(json.get("tokenizer"));
        List<FileEntry> plain = new ArrayList<>();
        for (JsonValue item : json.get("files").items()) plain.add(FileEntry.plain(item));
        files = Collections.unmodifiableList(plain);
        List<Artifact> runnable = new ArrayList<>();
        for (JsonValue item : json.get("artifacts").items()) runnable.add(new Artifact(item));
        artifacts = Collections.unmodifiableList(runnable);
        requireFitting();
        recommendedThreads = recommended(json.get("recommended_call"));
        producer = producer(json.get("producer"));
        sourceName = source(json.get("source"));
        release = json.has("release") && !json.get("release").isNull() ? new Release(json.get("release")) : null;
        peer = json.has("peer") && !json.get("peer").isNull() ? matching(json.get("peer"), "[ -~]{1,255}") : null;
        license = json.has("license") ? matching(json.get("license"), LICENCE) : "unknown";
        List<String> paths = new ArrayList<>(Arrays.asList(NAME, Bundle.SIGNATURE_NAME));
        for (FileEntry entry : everyFile()) paths.add(entry.path);
        BundlePaths.check(paths, Collections.emptyList());
    }

    /** Refuses task, labels, post-processing and outputs that do not fit each other, as the host's reader does. */
    private void requireFitting() throws JsonException {
        if (!task.fitting.contains(postProcessing)) throw new JsonException("the post-processing " + postProcessing.id + " is not one of " + task.id);
        if (task.hasLabels() == labels.isEmpty()) throw new JsonException(task.id + " with " + labels.size() + " labels");
        if (pooled && task != TaskKind.FEATURE_EXTRACTION) throw new JsonException(task.id + " has no pooling");
        if (nullThreshold != null && task != TaskKind.QUESTION_ANSWERING) throw new JsonException(task.id + " has no null_threshold");
        if (artifacts.isEmpty()) throw new JsonException("it has no artifacts");
        for (Artifact artifact : artifacts) {
            List<String> names = artifact.outputNames();
            if (!names.equals(outputNames(names))) throw new JsonException(artifact.path + " has the outputs " + names + ", not " + outputNames(names));
            artifact.requireFitting(task, labels.size());
        }
    }

    /** The outputs of this task, in order; a pooler is optional. */
    private List<String> outputNames(List<String> found) {
        if (task == TaskKind.QUESTION_ANSWERING) return Arrays.asList("start_logits", "end_logits");
        if (task != TaskKind.FEATURE_EXTRACTION) return Collections.singletonList("logits");
        List<String> names = new ArrayList<>(Collections.singletonList(TaskKind.HIDDEN_STATES));
        if (found.contains("pooler_output")) names.add("pooler_output");
        if (pooled) names.add("sentence_embedding");
        return names;
    }

    /** Every file of the bundle but bundle.json itself. */
    public List<FileEntry> everyFile() {
        List<FileEntry> all = new ArrayList<>(files);
        for (Artifact artifact : artifacts) all.addAll(artifact.everyFile());
        return all;
    }

    /** Refuses files with these sizes by path that are not exactly those that it lists; bundle.json and a signature go beside them. */
    void requireExactly(Map<String, Long> sizes) {
        if (sizes.getOrDefault(Bundle.SIGNATURE_NAME, 0L) > Bundle.MAX_SIGNATURE_BYTES) {
            throw new SqueezeBertException(SqueezeBertException.Kind.INPUT, Bundle.SIGNATURE_NAME, "is too large", Bundle.FIX);
        }
        Set<String> unlisted = new TreeSet<>(sizes.keySet());
        unlisted.removeAll(Arrays.asList(NAME, Bundle.SIGNATURE_NAME));
        for (FileEntry entry : everyFile()) {
            if (!sizes.containsKey(entry.path)) throw new SqueezeBertException(SqueezeBertException.Kind.INTEGRITY, entry.path, "is missing from the bundle", Bundle.FIX);
            Bundle.requireSize(entry, sizes.get(entry.path));
            unlisted.remove(entry.path);
        }
        if (!unlisted.isEmpty()) {
            throw new SqueezeBertException(SqueezeBertException.Kind.INTEGRITY, unlisted.iterator().next(), "is in the bundle but not in its manifest", Bundle.FIX);
        }
    }

    public long totalBytes() {
        long total = 0;
        for (FileEntry entry : everyFile()) total += entry.bytes;
        return total;
    }

    private static int indexOf(String[] known, JsonValue json) throws JsonException {
        String value = Artifact.oneOf(json, known);
        int at = 0;
        while (!known[at].equals(value)) at++;
        return at;
    }

    static String matching(JsonValue json, String pattern) throws JsonException {
        String value = json.string();
        if (!value.matches(pattern)) throw new JsonException(json.path() + " does not match " + pattern);
        return value;
    }

    private static boolean pooled(JsonValue json) throws JsonException {
        if (json.isNull()) return false;
        json.allowOnly("mode", "normalize");
        Artifact.oneOf(json.get("mode"), "mean", "cls", "max");
        json.get("normalize").bool();
        return true;
    }

    private static int recommended(JsonValue json) throws JsonException {
        json.allowOnly("batch", "padding", "threads");
        json.get("batch").count(1);
        Artifact.oneOf(json.get("padding"), "none", "longest");
        return json.get("threads").count(1);
    }

    private static Map<String, String> producer(JsonValue json) throws JsonException {
        String[] packages = {"squeezebert_mobile", "torch", "onnx", "onnxruntime", "executorch"};
        json.allowOnly(packages);
        Map<String, String> versions = new LinkedHashMap<>();
        for (String name : packages) versions.put(name, json.get(name).string());
        return Collections.unmodifiableMap(versions);
    }

    private static String source(JsonValue json) throws JsonException {
        json.allowOnly("name", "revision", "files", "digest", "notes");
        if (!json.get("revision").isNull()) json.get("revision").string();
        for (JsonValue item : json.get("files").items()) FileEntry.plain(item);
        json.get("digest").sha256();
        json.get("notes").strings();
        return json.get("name").string();
    }
}
