package com.example.consumer;

import java.nio.file.Paths;
import java.util.Arrays;
import java.util.List;
import org.squeezebert.Answer;
import org.squeezebert.Entity;
import org.squeezebert.Scored;
import org.squeezebert.SqueezeBert;
import org.squeezebert.SqueezeBertException;

/** {@code BUNDLE TEXT...}: what a bundle of any task answers, a line for each part of it, the fields between tabs. */
public final class Main {
    private Main() { }

    public static void main(String[] arguments) {
        List<String> texts = Arrays.asList(arguments).subList(1, arguments.length);
        try (SqueezeBert model = SqueezeBert.open(Paths.get(arguments[0]))) {
            ask(model, texts.get(0), texts.subList(1, texts.size()));
            row("self-test", model.selfTest());
        } catch (SqueezeBertException e) { // among others what the runtime's native code threw
            row("refused", e.kind(), e.getMessage());
        }
    }

    private static void ask(SqueezeBert model, String text, List<String> others) {
        switch (model.info().task()) {
            case "text-classification":
                scores(others.isEmpty() ? model.classify(text).labels() : model.classify(text, others.get(0)).labels());
                break;
            case "token-classification":
                for (Entity entity : model.entities(text)) row(entity.label(), entity.text(), entity.start(), entity.end(), entity.score());
                break;
            case "question-answering":
                Answer answer = model.answer(text, others.get(0));
                row(answer.hasAnswer(), answer.text(), answer.start(), answer.end(), answer.score());
                break;
            case "fill-mask":
                model.fillMask(text).forEach(Main::scores);
                break;
            case "multiple-choice":
                scores(model.choose(text, others).labels());
                break;
            default:
                for (float value : model.embed(text)) row(value);
        }
    }

    private static void scores(List<Scored> found) {
        for (Scored each : found) row(each.label(), each.score());
    }

    private static void row(Object... fields) {
        StringBuilder line = new StringBuilder();
        for (Object field : fields) line.append(line.length() == 0 ? "" : "\t").append(field);
        System.out.println(line);
    }
}
