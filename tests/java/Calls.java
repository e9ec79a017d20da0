import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import com.fasterxml.jackson.datatype.jsr310.JavaTimeModule;
import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Parameter;
import java.net.http.HttpClient;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.HashMap;
import java.util.Map;
import org.openapitools.client.ApiClient;
import org.openapitools.client.ApiException;
import org.openapitools.client.ApiResponse;

/**
 * Calls the operations of a client that openapi-generator wrote (library "native"), by what a file says of each.
 *   Calls  url  token  plan.json  folder-of-classes
 * The plan is an array of {operation, values, body}: the body is JSON, or the name of a file where the operation takes bytes. A line for
 * each: the operation, the status, and the class of what came; or the operation and what went wrong.
 */
public class Calls {
    private static final String SUFFIX = "withhttpinfo";

    /** The generator would write bytes as JSON that names a file, and read them so: they are files here, as the methods promise. */
    private static final class Mapper extends ObjectMapper {
        Mapper() {
            registerModule(new JavaTimeModule());
            disable(SerializationFeature.WRITE_DATES_AS_TIMESTAMPS);
            enable(DeserializationFeature.ACCEPT_SINGLE_VALUE_AS_ARRAY);
        }

        @Override
        public ObjectMapper copy() {
            return new Mapper(); // every part of the client takes one of its own
        }

        @Override
        public byte[] writeValueAsBytes(Object value) throws com.fasterxml.jackson.core.JsonProcessingException {
            try {
                return value instanceof File file ? Files.readAllBytes(file.toPath()) : super.writeValueAsBytes(value);
            } catch (com.fasterxml.jackson.core.JsonProcessingException error) {
                throw error;
            } catch (IOException error) {
                throw new java.io.UncheckedIOException(error);
            }
        }

        @Override
        public <T> T readValue(InputStream from, TypeReference<T> type) throws IOException {
            if (type.getType() != File.class) {
                return super.readValue(from, type);
            }
            Path file = Files.createTempFile(Path.of(System.getProperty("java.io.tmpdir")), "came", null);
            Files.copy(from, file, StandardCopyOption.REPLACE_EXISTING);
            @SuppressWarnings("unchecked")
            T came = (T) file.toFile();
            return came;
        }
    }

    public static void main(String[] arguments) throws Exception {
        ObjectMapper mapper = new Mapper();
        ApiClient client = new ApiClient(HttpClient.newBuilder(), mapper, arguments[0]);
        if (client.getHttpClient().version() != HttpClient.Version.HTTP_2) {
            throw new IllegalStateException("this JDK no longer offers to speak HTTP/2: nothing is shown of Upgrade");
        }
        client.setRequestInterceptor(request -> request.header("Authorization", "Bearer " + arguments[1]));
        Map<String, Object> owners = new HashMap<>();
        Map<String, Method> methods = new HashMap<>();
        for (File file : Path.of(arguments[3], "org", "openapitools", "client", "api").toFile().listFiles()) {
            String name = file.getName().replace(".class", "");
            if (!name.endsWith("Api")) {
                continue;
            }
            Class<?> api = Class.forName("org.openapitools.client.api." + name);
            Object owner = api.getConstructor(ApiClient.class).newInstance(client);
            for (Method method : api.getDeclaredMethods()) {
                String called = plain(method.getName());
                if (called.endsWith(SUFFIX)) {
                    methods.put(called.substring(0, called.length() - SUFFIX.length()), method);
                    owners.put(api.getName(), owner);
                }
            }
        }
        for (JsonNode one : mapper.readTree(Path.of(arguments[2]).toFile())) {
            String operation = one.get("operation").asText();
            Method method = methods.remove(plain(operation));
            System.out.println(operation + " " + call(mapper, owners.get(method.getDeclaringClass().getName()), method, one));
        }
        methods.keySet().forEach(left -> System.out.println(left + " was not called"));
    }

    private static String call(ObjectMapper mapper, Object owner, Method method, JsonNode one) throws Exception {
        Map<String, JsonNode> values = new HashMap<>();
        one.get("values").fields().forEachRemaining(value -> values.put(plain(value.getKey()), value.getValue()));
        Parameter[] parameters = method.getParameters();
        Object[] given = new Object[parameters.length];
        for (int at = 0; at < parameters.length; at++) {
            var type = mapper.getTypeFactory().constructType(parameters[at].getParameterizedType());
            JsonNode value = values.remove(plain(parameters[at].getName()));
            if (value != null) {
                given[at] = mapper.convertValue(value, type);
            } else if (parameters[at].getType() == File.class) {
                given[at] = new File(one.get("body").asText());
            } else if (type.getRawClass().getName().startsWith("org.openapitools.client.model.") && !type.isEnumType()) {
                given[at] = mapper.treeToValue(one.get("body"), type);
            }
        }
        if (!values.isEmpty()) {
            return "takes no " + values.keySet();
        }
        try {
            ApiResponse<?> answer = (ApiResponse<?>) method.invoke(owner, given);
            boolean traced = answer.getHeaders().keySet().stream().anyMatch("x-request-id"::equalsIgnoreCase);
            boolean empty = answer.getData() instanceof File file && file.length() == 0;
            String came = answer.getStatusCode() + " " + answer.getData().getClass().getSimpleName();
            return !traced ? "without X-Request-Id" : empty ? "an empty file" : came;
        } catch (InvocationTargetException error) {
            Throwable why = error.getCause();
            String said = why instanceof ApiException refused ? refused.getCode() + " " + refused.getMessage() : why.toString();
            return said.replace('\n', ' ');
        }
    }

    private static String plain(String name) {
        return name.replaceAll("[^A-Za-z0-9]", "").toLowerCase();
    }
}
