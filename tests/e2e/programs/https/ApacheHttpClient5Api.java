import org.apache.hc.client5.http.classic.methods.HttpGet;
import org.apache.hc.client5.http.classic.methods.HttpPost;
import org.apache.hc.client5.http.impl.classic.CloseableHttpClient;
import org.apache.hc.client5.http.impl.classic.CloseableHttpResponse;
import org.apache.hc.client5.http.impl.classic.HttpClients;
import org.apache.hc.core5.http.ContentType;
import org.apache.hc.core5.http.io.entity.EntityUtils;
import org.apache.hc.core5.http.io.entity.StringEntity;

public class ApacheHttpClient5Api {
    private static void show(CloseableHttpResponse response) throws Exception {
        System.out.println(response.getCode());
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
