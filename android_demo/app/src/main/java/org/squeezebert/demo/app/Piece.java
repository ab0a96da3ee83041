package org.squeezebert.demo.app;

import java.util.ArrayList;
import java.util.List;
import org.squeezebert.internal.Bundle;
import org.squeezebert.internal.CodePoints;
import org.squeezebert.internal.Encoding;
import org.squeezebert.internal.Manifest;
import org.squeezebert.internal.Predictor;
import org.squeezebert.internal.TaskKind;
import org.squeezebert.internal.Vocabulary;

/** One token as a person reads it. */
public final class Piece {
    /** Where a token comes from. */
    public enum Kind { WORD, TEMPLATE, UNKNOWN }

    /** More would be a wall that nobody reads, and slow to draw. */
    private static final int MOST = 1000;

    public final Kind kind;
    /** The token as the vocabulary writes it, of an unknown one what stands in the text. */
    public final String text;

    private Piece(Kind kind, String text) {
        this.kind = kind;
        this.text = text;
    }

    /** The tokens of all rows in order, at most a thousand. */
    static List<Piece> of(Bundle bundle, List<Encoding> rows, String text, String second) {
        List<Piece> pieces = new ArrayList<>();
        Vocabulary vocabulary = bundle.tokenizer().vocabulary();
        for (int row = 0; row < rows.size(); row++) {
            Encoding encoding = rows.get(row);
            for (int i = 0; i < encoding.length() && pieces.size() < MOST; i++) {
                int id = (int) encoding.ids[i];
                if (encoding.sequenceIds[i] < 0) {
                    pieces.add(new Piece(Kind.TEMPLATE, vocabulary.token(id)));
                } else if (id == bundle.manifest.tokenizer.unknown) {
                    String source = source(bundle.manifest, row, encoding.sequenceIds[i], text, second);
                    pieces.add(new Piece(Kind.UNKNOWN, CodePoints.substring(source, encoding.offsets[i][0], encoding.offsets[i][1])));
                } else {
                    pieces.add(new Piece(Kind.WORD, vocabulary.token(id)));
                }
            }
        }
        return pieces;
    }

    /** Which of the user's texts a sequence of a row is, as {@link Predictor} lays them out. */
    private static String source(Manifest manifest, int row, int sequence, String text, String second) {
        if (manifest.task == TaskKind.MULTIPLE_CHOICE && sequence == 1) return Predictor.lines(second).get(row);
        boolean secondRow = manifest.pooled && row == 1;
        return sequence == 1 || secondRow ? second : text;
    }
}
