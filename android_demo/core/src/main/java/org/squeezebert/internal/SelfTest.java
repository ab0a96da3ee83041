package org.squeezebert.internal;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** golden.json on this device: are the ids the reference's, and are the outputs within the gates that the exporter used? */
public final class SelfTest {
    /** Called before each case. */
    public interface Progress {
        void update(int done, int of);
    }

    private SelfTest() { }

    /** Runs every case that {@code artifact} can take. */
    public static SelfTestReport run(Bundle bundle, Artifact artifact, InferenceEngine model, Progress progress) {
        List<GoldenCase> cases = GoldenCase.read(bundle);
        SelfTestReport report = new SelfTestReport(artifact);
        for (int i = 0; i < cases.size(); i++) {
            progress.update(i, cases.size());
            GoldenCase golden = cases.get(i);
            if (!golden.texts.isEmpty()) report.addIds(golden.name, sameIds(bundle, golden));
            Map<String, List<Tensor>> rows = new HashMap<>();
            for (int row = 0; row < golden.ids.size(); row++) {
                for (Map.Entry<String, Tensor> output : model.run(golden.ids.get(row), golden.typeIds.get(row)).entrySet()) {
                    rows.computeIfAbsent(output.getKey(), key -> new ArrayList<>()).add(output.getValue());
                }
            }
            for (GoldenCase.Output expected : golden.outputs) report.addOutput(golden.name, expected, values(rows.get(expected.name), expected));
        }
        return report;
    }

    private static boolean sameIds(Bundle bundle, GoldenCase golden) {
        boolean choices = bundle.manifest.task == TaskKind.MULTIPLE_CHOICE;
        for (int row = 0; row < golden.ids.size(); row++) {
            String pair = choices ? golden.texts.get(row + 1) : golden.texts.size() > 1 ? golden.texts.get(1) : null;
            Encoding encoding = bundle.tokenizer().encode(golden.texts.get(0), pair, golden.maxLength);
            if (!Arrays.equals(encoding.ids, golden.ids.get(row)) || !Arrays.equals(encoding.typeIds, golden.typeIds.get(row))) return false;
        }
        return true;
    }

    /** The entries that the golden file sampled, or null where the output has another size. One tensor per choice, else one. */
    private static double[] values(List<Tensor> rows, GoldenCase.Output expected) {
        if (rows == null) return null;
        long size = 1;
        for (long axis : expected.shape) size *= axis;
        int each = rows.get(0).data.length;
        if (size != (long) each * rows.size()) return null;
        return Arrays.stream(expected.indices).mapToDouble(index -> rows.get((int) (index / each)).data[(int) (index % each)]).toArray();
    }
}
