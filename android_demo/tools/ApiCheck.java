import java.io.File;
import java.io.FileInputStream;
import java.io.InputStream;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashSet;
import java.util.Set;
import org.codehaus.mojo.animal_sniffer.SignatureChecker;
import org.codehaus.mojo.animal_sniffer.logging.PrintWriterLogger;

/** Refuses API that a phone at the minimum level lacks, and hidden API: the android-all jar that javac reads has both. */
public final class ApiCheck {
    private ApiCheck() { }

    /** Arguments: SIGNATURE CLASSES ALLOWED... where ALLOWED are packages such as {@code org.example.*}, or classes. */
    public static void main(String[] arguments) throws Exception {
        Set<String> allowed = new HashSet<>(Arrays.asList(arguments).subList(2, arguments.length));
        try (InputStream signature = new FileInputStream(arguments[0])) {
            SignatureChecker checker = new SignatureChecker(signature, allowed, new PrintWriterLogger(System.out));
            checker.setSourcePath(new ArrayList<>());
            // What is called behind a check of SDK_INT alone.
            checker.setAnnotationTypes(Collections.singleton("android.annotation.TargetApi"));
            checker.process(new File(arguments[1]));
            if (checker.isSignatureBroken()) System.exit(1);
        }
    }
}
