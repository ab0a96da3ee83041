package org.squeezebert.demo.app;

import java.util.ArrayList;
import java.util.List;
import org.squeezebert.internal.Artifact;
import org.squeezebert.internal.Bundle;
import org.squeezebert.internal.EngineProvider;
import org.squeezebert.internal.KnownFaults;

/** What runs here, and what made the open bundle. */
public final class AboutPresenter extends Presenter<AboutState> {
    public AboutPresenter(Session session) {
        super(session, new AboutState("", "", "", ""));
    }

    /** Off the main thread, since asking a runtime for its version loads its library. */
    public void refresh() {
        work(state(), () -> {
            List<String> runtimes = new ArrayList<>();
            for (EngineProvider provider : session.providers.values()) {
                String version = provider.version();
                String faults = KnownFaults.of(provider.runtime(), version);
                runtimes.add(Artifact.runtimeName(provider.runtime()) + " " + version + (faults.isEmpty() ? "" : " (" + faults + ")"));
            }
            List<String> producer = new ArrayList<>();
            Bundle bundle = session.bundle();
            if (bundle != null) bundle.manifest.producer.forEach((name, version) -> producer.add(name + " " + version));
            publish(new AboutState("", String.join(", ", runtimes), bundle == null ? "" : bundle.manifest.digest, String.join(", ", producer)));
        });
    }

    @Override
    protected AboutState failed(String message) {
        return new AboutState(message, "", "", "");
    }
}
