import com.googlecode.d2j.dex.Dex2jar;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.zip.ZipEntry;
import java.util.zip.ZipFile;
import java.util.zip.ZipOutputStream;
import org.objectweb.asm.ClassReader;
import org.objectweb.asm.ClassVisitor;
import org.objectweb.asm.ClassWriter;
import org.objectweb.asm.MethodVisitor;
import org.objectweb.asm.Opcodes;
import org.objectweb.asm.Type;

/**
 * Packages of a dex as classes that a JVM loads, to run there what a phone would run.
 *
 * dex2jar writes no stack map frames, which Java 8's class files must have, and marks no call as one of an interface's
 * method, since dex knows only whole call kinds. Both are made up for here.
 */
public final class FromDex {
    private static final String OBJECT = "java/lang/Object";

    /** The packages' classes by internal name. */
    private final Map<String, ClassReader> own = new TreeMap<>();

    private FromDex() { }

    /** Arguments: DEX JAR PACKAGE...; PACKAGE with slashes, without those below it; their classes may use one another and the JDK. */
    public static void main(String[] arguments) throws IOException {
        Path translated = Paths.get(arguments[1] + ".dex2jar");
        Dex2jar.from(Paths.get(arguments[0]).toFile()).to(translated);
        FromDex classes = new FromDex();
        classes.read(translated, Arrays.asList(arguments).subList(2, arguments.length));
        classes.write(Paths.get(arguments[1]));
        System.out.println(classes.own.size());
    }

    private void read(Path jar, List<String> packages) throws IOException {
        try (ZipFile zip = new ZipFile(jar.toFile())) {
            for (ZipEntry entry : Collections.list(zip.entries())) {
                int name = entry.getName().lastIndexOf('/');
                if (entry.isDirectory() || name < 0 || !packages.contains(entry.getName().substring(0, name))) continue;
                try (InputStream in = zip.getInputStream(entry)) {
                    ClassReader reader = new ClassReader(in);
                    own.put(reader.getClassName(), reader);
                }
            }
        }
    }

    private void write(Path jar) throws IOException {
        try (OutputStream out = Files.newOutputStream(jar); ZipOutputStream zip = new ZipOutputStream(out)) {
            for (ClassReader reader : own.values()) {
                zip.putNextEntry(new ZipEntry(reader.getClassName() + ".class"));
                zip.write(loadable(reader));
            }
        }
    }

    private byte[] loadable(ClassReader reader) {
        ClassWriter writer = new ClassWriter(ClassWriter.COMPUTE_FRAMES) {
            @Override
            protected String getCommonSuperClass(String one, String other) {
                return FromDex.this.commonSuperclass(one, other);
            }
        };
        reader.accept(new ClassVisitor(Opcodes.ASM9, writer) {
            @Override
            public void visit(int version, int access, String name, String signature, String parent, String[] interfaces) {
                super.visit(Opcodes.V1_8, access, name, signature, parent, interfaces);
            }

            @Override
            public MethodVisitor visitMethod(int access, String name, String descriptor, String signature, String[] exceptions) {
                return new MethodVisitor(Opcodes.ASM9, super.visitMethod(access, name, descriptor, signature, exceptions)) {
                    @Override
                    public void visitMethodInsn(int opcode, String owner, String called, String type, boolean marked) {
                        super.visitMethodInsn(opcode, owner, called, type, isInterface(owner));
                    }
                };
            }
        }, ClassReader.SKIP_FRAMES);
        return writer.toByteArray();
    }

    private boolean isInterface(String name) {
        ClassReader reader = own.get(name);
        return reader == null ? library(name).isInterface() : (reader.getAccess() & Opcodes.ACC_INTERFACE) != 0;
    }

    private String commonSuperclass(String one, String other) {
        Set<String> ancestors = new LinkedHashSet<>();
        for (String name = one; name != null; name = parent(name)) ancestors.add(name);
        String common = other;
        while (!ancestors.contains(common)) common = parent(common);
        return isInterface(one) || isInterface(other) ? OBJECT : common;
    }

    private String parent(String name) {
        ClassReader reader = own.get(name);
        if (reader != null) return reader.getSuperName();
        Class<?> parent = library(name).getSuperclass();
        return parent != null ? Type.getInternalName(parent) : name.equals(OBJECT) ? null : OBJECT;
    }

    private static Class<?> library(String name) {
        if (name.startsWith("[")) return Object[].class; // every array's superclass is Object
        try {
            return Class.forName(name.replace('/', '.'), false, ClassLoader.getPlatformClassLoader());
        } catch (ClassNotFoundException e) {
            throw new IllegalStateException("a package uses a class outside of those asked for and the JDK", e);
        }
    }
}
