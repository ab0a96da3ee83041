package org.squeezebert.internal;

import java.util.Map;
import org.squeezebert.SqueezeBertException;

/** One loaded model. Not thread-safe: the app calls it from its one worker. */
public interface InferenceEngine extends AutoCloseable {
    /**
     * Runs one unpadded text of W tokens.
     *
     * @return the outputs by the manifest's names
     * @throws SqueezeBertException with one sentence for the screen; the engine stays usable
     */
    Map<String, Tensor> run(long[] ids, long[] typeIds);

    @Override
    void close();
}
