import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Properties;
import java.util.concurrent.Future;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * Writes records 0 … count-1 to partition 0 by Kafka's own producer; javaRecord in kafka.test.ts says the same of them.
 * Arguments: brokers, then "topic codec count" for each topic.
 */
public class JavaProducer {
  static final long FIRST_MS = 1_700_000_000_000L;

  public static void main(String[] args) throws Exception {
    for (int i = 1; i < args.length; i += 3) {
      produce(args[0], args[i], args[i + 1], Integer.parseInt(args[i + 2]));
    }
  }

  static void produce(String brokers, String topic, String codec, int count) throws Exception {
    Properties settings = new Properties();
    settings.put("bootstrap.servers", brokers);
    settings.put("compression.type", codec);
    settings.put("linger.ms", "5");
    settings.put("batch.size", "65536");
    settings.put("max.request.size", "20971520");
    try (var producer = new KafkaProducer<>(settings, new ByteArraySerializer(), new ByteArraySerializer())) {
      List<Future<RecordMetadata>> sent = new ArrayList<>();
      for (int i = 0; i < count; i++) sent.add(producer.send(record(topic, i)));
      for (var one : sent) one.get();
    }
  }

  static ProducerRecord<byte[], byte[]> record(String topic, int i) {
    byte[] key = i % 3 == 0 ? null : bytes("key " + i);
    // A tombstone, an empty value, a large one, and documents.
    byte[] value =
        i % 11 == 10 ? null
        : i % 13 == 12 ? new byte[0]
        : bytes("{\"n\":" + i + ",\"text\":\"" + "snow ".repeat(i % 97 == 96 ? 40_000 : i % 20) + "\"}");
    RecordHeaders headers = new RecordHeaders();
    if (i % 5 == 4) headers.add("trace", bytes("t" + i)).add("none", null);
    // Forth and back, so that the differences within a batch are negative as well.
    long at = FIRST_MS + (i % 2 == 0 ? i : -i) * 1000L;
    return new ProducerRecord<>(topic, 0, at, key, value, headers);
  }

  static byte[] bytes(String text) {
    return text.getBytes(StandardCharsets.UTF_8);
  }
}
