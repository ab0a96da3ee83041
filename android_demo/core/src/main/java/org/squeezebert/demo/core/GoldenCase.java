package org.squeezebert.demo.core;

import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

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
            if (rowIds.length != mask.length || rowTypes.length != mask.length) throw new JsonException(json.path() + " has rows of two lengths");
            int length = (int) Arrays.stream(mask).filter(bit -> bit == 1).count();
            ids.add(Arrays.copyOf(rowIds, length));
            typeIds.add(Arrays.copyOf(rowTypes, length));
        }
        for (JsonValue item : json.get("outputs").items()) outputs.add(new Output(item));
        if (outputs.isEmpty()) throw new JsonException(json.path() + " has no outputs, so it proves nothing");
    }

    /** The cases of the bundle, whose golden.json was verified with it. */
    public static List<GoldenCase> read(Bundle bundle) throws DemoException {
        try {
            JsonValue json = Json.parse(StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(bundle.read(NAME))).toString());
            json.allowOnly("schema_version", "cases");
            if (json.get("schema_version").whole() != 1) throw new JsonException("its schema_version is unknown");
            List<GoldenCase> cases = new ArrayList<>();
            for (JsonValue item : json.get("cases").items()) cases.add(new GoldenCase(item));
            if (cases.isEmpty()) throw new JsonException("it has no cases, so it proves nothing");
            return cases;
        } catch (JsonException | CharacterCodingException e) {
            throw new DemoException(DemoException.Kind.INTEGRITY, NAME, "is not a golden file: " + e.getMessage(), "export the bundle again", e);
        }
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
