package org.squeezebert.demo.core;

import java.util.Map;

/** One loaded model. Not thread-safe: the app calls it from its one worker. */
public interface InferenceEngine extends AutoCloseable {
    /**
     * Runs one unpadded text of W tokens.
     *
     * @return the outputs by the manifest's names
     * @throws DemoException with one sentence for the screen; the engine stays usable
     */
    Map<String, Tensor> run(long[] ids, long[] typeIds) throws DemoException;

    @Override
    void close();
}
