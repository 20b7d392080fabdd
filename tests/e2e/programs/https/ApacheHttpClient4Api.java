import org.apache.http.client.methods.CloseableHttpResponse;
import org.apache.http.client.methods.HttpGet;
import org.apache.http.client.methods.HttpPost;
import org.apache.http.entity.ContentType;
import org.apache.http.entity.StringEntity;
import org.apache.http.impl.client.CloseableHttpClient;
import org.apache.http.impl.client.HttpClients;
import org.apache.http.util.EntityUtils;

public class ApacheHttpClient4Api {
    private static void show(CloseableHttpResponse response) throws Exception {
        System.out.println(response.getStatusLine().getStatusCode());
        System.out.println(EntityUtils.toString(response.getEntity()));
    }

    public static void main(String[] arguments) throws Exception {
        try (CloseableHttpClient client = HttpClients.createSystem()) {
            show(client.execute(new HttpGet("https://api.example.com/data")));

            HttpPost post = new HttpPost("https://api.example.com/submit");
            post.setEntity(new StringEntity("{\"name\": \"hark\", \"note\": \"gr\\u00fc\\u00dfe\"}",
                ContentType.APPLICATION_JSON));
            show(client.execute(post));
        }
    }
}
