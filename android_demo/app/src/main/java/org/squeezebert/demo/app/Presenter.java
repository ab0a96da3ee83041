package org.squeezebert.demo.app;

import org.squeezebert.SqueezeBertException;

/** What a screen shows, kept outside the screen so that rotation loses nothing. States are immutable. */
public abstract class Presenter<S> {
    /** The screen; called on the main thread. */
    public interface Listener<S> {
        void show(S state);
    }

    /** Work on the session's thread. */
    interface Work {
        void run();
    }

    protected final Session session;
    private volatile S state;
    private Listener<S> listener;

    Presenter(Session session, S initial) {
        this.session = session;
        state = initial;
    }

    public final S state() {
        return state;
    }

    /** Shows the present state at once and every later one. */
    public final void attach(Listener<S> screen) {
        listener = screen;
        screen.show(state);
    }

    public final void detach() {
        listener = null;
    }

    protected final void publish(S next) {
        state = next;
        session.main.execute(() -> {
            if (listener != null) listener.show(state);
        });
    }

    /** The state that shows {@code message} as an error. */
    protected abstract S failed(String message);

    /** Shows {@code busy}, works off the main thread, and shows every failure as a sentence. */
    protected final void work(S busy, Work work) {
        publish(busy);
        session.worker.execute(() -> {
            try {
                work.run();
            } catch (SqueezeBertException e) {
                publish(failed(e.getMessage()));
            } catch (OutOfMemoryError e) {
                session.unload();
                publish(failed("memory: is too small for this model; fix: close other apps or choose an int8 artifact"));
            } catch (RuntimeException | LinkageError e) {
                publish(failed("app: stopped (" + e + "); fix: report it with the bundle's README"));
            }
        });
    }
}
