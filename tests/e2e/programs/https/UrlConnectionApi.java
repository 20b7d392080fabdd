import java.io.OutputStream;
import java.net.HttpURLConnection;
import java.net.URL;

public class UrlConnectionApi {
    private static void show(HttpURLConnection connection) throws Exception {
        System.out.println(connection.getResponseCode());
        System.out.println(new String(connection.getInputStream().readAllBytes(), "UTF-8"));
    }

    public static void main(String[] arguments) throws Exception {
        show((HttpURLConnection) new URL("https://api.example.com/data").openConnection());

        HttpURLConnection post =
            (HttpURLConnection) new URL("https://api.example.com/submit").openConnection();
        post.setDoOutput(true);
        post.setRequestProperty("Content-Type", "application/json");
        try (OutputStream out = post.getOutputStream()) {
            out.write("{\"name\": \"hark\", \"note\": \"gr\\u00fc\\u00dfe\"}".getBytes("UTF-8"));
        }
        show(post);
    }
}
