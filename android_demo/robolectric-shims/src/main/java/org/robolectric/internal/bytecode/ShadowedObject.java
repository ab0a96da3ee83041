package org.robolectric.internal.bytecode;

/** Robolectric's, whose one method javac does not see in the instrumented classes: it would ask each subclass of an abstract one for it. */
public interface ShadowedObject {
    default Object $$robo$getData() {
        throw new AssertionError("every instrumented class has its own");
    }
}
