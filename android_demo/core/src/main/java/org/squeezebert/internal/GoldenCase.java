package org.squeezebert.internal;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.squeezebert.SqueezeBertException;

/** One input of golden.json with the reference's answers. */
public final class GoldenCase {
    private static final String NAME = "golden.json";

    public final String name;
    /** (text), (text, pair) or (text, choice, choice, ...); empty where the ids were made directly. */
    public final List<String> texts;
    final int maxLength;
    /** One row, or one per choice, without padding. */
    final List<long[]> ids = new ArrayList<>();
    final List<long[]> typeIds = new ArrayList<>();
    final List<Output> outputs = new ArrayList<>();
    private int width;

    private GoldenCase(JsonValue json) throws JsonException {
        json.allowOnly("name", "texts", "max_length", "input_ids", "attention_mask", "token_type_ids", "outputs");
        name = json.get("name").string();
        texts = json.get("texts").strings();
        maxLength = json.get("max_length").count(1);
        List<JsonValue> masks = json.get("attention_mask").items();
        List<JsonValue> allIds = json.get("input_ids").items();
        List<JsonValue> allTypes = json.get("token_type_ids").items();
        if (masks.isEmpty() || allIds.size() != masks.size() || allTypes.size() != masks.size()) throw new JsonException(json.path() + " has rows without ids");
        for (int row = 0; row < masks.size(); row++) {
            long[] mask = masks.get(row).longs();
            long[] rowIds = allIds.get(row).longs();
            long[] rowTypes = allTypes.get(row).longs();
            if (row > 0 && mask.length != width || rowIds.length != mask.length || rowTypes.length != mask.length) throw new JsonException(json.path() + " has rows of two lengths");
            width = mask.length;
            if (width > maxLength) throw new JsonException(json.path() + " has rows longer than max_length");
            requireIndices(allIds.get(row), rowIds);
            requireIndices(allTypes.get(row), rowTypes);
            int length = length(masks.get(row), mask);
            ids.add(Arrays.copyOf(rowIds, length));
            typeIds.add(Arrays.copyOf(rowTypes, length));
        }
        for (JsonValue item : json.get("outputs").items()) outputs.add(new Output(item));
        if (outputs.isEmpty()) throw new JsonException(json.path() + " has no outputs, so it proves nothing");
    }

    /** The tokens of a row: as many as its mask begins with ones, then nothing but zeros. */
    private static int length(JsonValue json, long[] mask) throws JsonException {
        int length = 0;
        while (length < mask.length && mask[length] == 1) length++;
        if (length == 0 || Arrays.stream(mask, length, mask.length).anyMatch(bit -> bit != 0)) throw new JsonException(json.path() + " does not begin with its tokens");
        return length;
    }

    private static void requireIndices(JsonValue json, long[] values) throws JsonException {
        if (Arrays.stream(values).anyMatch(value -> value < 0 || value > Integer.MAX_VALUE)) throw new JsonException(json.path() + " is out of range");
    }

    /** The cases of the bundle, whose golden.json was verified with it. */
    public static List<GoldenCase> read(Bundle bundle) {
        return parse(bundle.read(NAME), bundle.manifest);
    }

    /** The cases in the bytes of a golden.json, each of which is one of the manifest's model. */
    public static List<GoldenCase> parse(byte[] utf8, Manifest manifest) {
        JsonValue json = Json.object(utf8, NAME);
        try {
            json.allowOnly("schema_version", "cases");
            if (json.get("schema_version").whole() != 1) throw new JsonException("its schema_version is unknown");
            List<GoldenCase> cases = new ArrayList<>();
            for (JsonValue item : json.get("cases").items()) cases.add(new GoldenCase(item));
            if (cases.isEmpty()) throw new JsonException("it has no cases, so it proves nothing");
            for (GoldenCase one : cases) one.requireFitting(manifest);
            return cases;
        } catch (JsonException e) {
            throw new SqueezeBertException(SqueezeBertException.Kind.INTEGRITY, NAME, "is not a golden file: " + e.getMessage(), "export the bundle again", e);
        }
    }

    /** Refuses rows, texts and outputs that no call of the bundle's model has. */
    private void requireFitting(Manifest manifest) throws JsonException {
        boolean choices = manifest.task == TaskKind.MULTIPLE_CHOICE;
        if (ids.size() > 1 && !choices) throw new JsonException(name + " has several rows");
        if (!texts.isEmpty() && (choices ? texts.size() != ids.size() + 1 : texts.size() > 2)) throw new JsonException(name + " has not one row for its texts");
        List<String> names = new ArrayList<>();
        for (Output output : outputs) names.add(output.name);
        for (Artifact artifact : manifest.artifacts) {
            if (maxLength > Math.min(artifact.maxLength, manifest.tokenizer.maxLength)) throw new JsonException(name + " is longer than the model's longest text");
            if (!names.equals(artifact.outputNames())) throw new JsonException(name + " has other outputs than the model");
            for (int i = 0; i < names.size(); i++) {
                long[] shape = choices ? new long[] {1, ids.size()} : shape(artifact.outputs.get(i));
                if (!Arrays.equals(outputs.get(i).shape, shape)) throw new JsonException(name + " has an output " + names.get(i) + " of another shape");
            }
        }
    }

    /** The shape of an output for one text; an axis with a name, but the first, counts its tokens. */
    private long[] shape(Artifact.Port output) {
        long[] shape = new long[output.rank()];
        for (int i = 0; i < shape.length; i++) shape[i] = i == 0 ? 1 : output.axes.get(i) instanceof Integer ? (Integer) output.axes.get(i) : width;
        return shape;
    }

    /** Sampled entries of one output: {@code values[i]} stands at flat index {@code indices[i]}. */
    static final class Output {
        final String name;
        final long[] shape;
        final long[] indices;
        final double[] values;

        Output(JsonValue json) throws JsonException {
            json.allowOnly("name", "shape", "indices", "values");
            name = json.get("name").string();
            shape = json.get("shape").longs();
            indices = json.get("indices").longs();
            List<JsonValue> sampled = json.get("values").items();
            if (shape.length == 0) throw new JsonException(json.path() + ".shape is empty");
            if (indices.length == 0 || sampled.size() != indices.length) throw new JsonException(json.path() + " has not one value for each index");
            values = new double[indices.length];
            for (int i = 0; i < values.length; i++) values[i] = sampled.get(i).number();
            long size = 1;
            for (long axis : shape) {
                if (axis < 1 || size > Integer.MAX_VALUE / axis) throw new JsonException(json.path() + ".shape is out of range");
                size *= axis;
            }
            long end = size;
            if (Arrays.stream(indices).anyMatch(index -> index < 0 || index >= end)) throw new JsonException(json.path() + ".indices leave its shape");
        }
    }
}
