package org.squeezebert.demo.app;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.squeezebert.SqueezeBertException;
import org.squeezebert.internal.Artifact;
import org.squeezebert.internal.Model;
import org.squeezebert.internal.SelfTest;

/** Does this phone compute what the reference computed? */
public final class SelfTestPresenter extends Presenter<SelfTestState> {
    public SelfTestPresenter(Session session) {
        super(session, new SelfTestState(false, "", Collections.emptyList()));
    }

    /** Tests every artifact that this build can run. */
    public void run() {
        work(new SelfTestState(true, "", Collections.emptyList()), () -> {
            session.model(); // says what is missing where there is no bundle or no runtime
            session.unload(); // two models at once may be too much for a small phone
            List<SelfTestState.Line> lines = new ArrayList<>();
            for (Artifact artifact : session.artifacts()) {
                lines.add(test(artifact, lines));
                publish(new SelfTestState(true, "", new ArrayList<>(lines)));
            }
            publish(new SelfTestState(false, "", lines));
        });
    }

    private SelfTestState.Line test(Artifact artifact, List<SelfTestState.Line> before) {
        List<SelfTestState.Line> shown = new ArrayList<>(before);
        try (Model model = Model.load(session.bundle(), artifact, session.providers, session.threads(), session.clock)) {
            return new SelfTestState.Line(artifact, SelfTest.run(session.bundle(), artifact, model, (done, of) ->
                publish(new SelfTestState(true, "", artifact.title(), done + 1, of, shown))));
        } catch (SqueezeBertException e) {
            return new SelfTestState.Line(artifact, e.getMessage());
        }
    }

    @Override
    protected SelfTestState failed(String message) {
        return new SelfTestState(false, message, Collections.emptyList());
    }
}
