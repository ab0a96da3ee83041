/**
 * Answers of a SqueezeBERT bundle, the folder that squeezebert-mobile exports: open one with {@link org.squeezebert.SqueezeBert#open},
 * ask it, close it. Everything outside of this package is internal and may change with each release.
 *
 * <p>All calls block, for milliseconds to seconds, so a user interface makes them off its main thread. Failures are
 * {@link org.squeezebert.SqueezeBertException}s.
 */
@NullMarked
package org.squeezebert;

import org.jspecify.annotations.NullMarked;
