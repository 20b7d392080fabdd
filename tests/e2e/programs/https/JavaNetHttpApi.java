import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;

public class JavaNetHttpApi {
    private static void show(HttpResponse<String> response) {
        System.out.println(response.statusCode());
        System.out.println(response.body());
    }

    public static void main(String[] arguments) throws Exception {
        HttpClient client = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
        HttpRequest get = HttpRequest.newBuilder(URI.create("https://api.example.com/data")).build();
        show(client.send(get, HttpResponse.BodyHandlers.ofString()));

        HttpRequest post = HttpRequest.newBuilder(URI.create("https://api.example.com/submit"))
            .header("Content-Type", "application/json")
            .POST(HttpRequest.BodyPublishers.ofString("{\"name\": \"hark\", \"note\": \"gr\\u00fc\\u00dfe\"}"))
            .build();
        show(client.send(post, HttpResponse.BodyHandlers.ofString()));
    }
}
