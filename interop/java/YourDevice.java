import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;

/** Not a device, but the part of one that matters here: TLS to the emulator, with the trust store that the command line names. */
public class YourDevice {
    public static void main(String[] arguments) throws Exception {
        HttpRequest request = HttpRequest.newBuilder(URI.create("https://localhost:8443/api/devices")).build();
        // Without a token there are no devices, but there is an answer.
        System.out.println(HttpClient.newHttpClient().send(request, HttpResponse.BodyHandlers.ofString()).statusCode());
    }
}
