import java.time.Duration;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Map;

/** The members of a line of JSON, each null or empty where it is left out. */
record Arguments(Map<String, Object> members) {
  String text(String name) {
    return (String) members.get(name);
  }

  byte[] bytes(String name) {
    String text = text(name);
    return text == null ? null : Base64.getDecoder().decode(text);
  }

  boolean flag(String name) {
    return Boolean.TRUE.equals(members.get(name));
  }

  Long number(String name) {
    return members.get(name) instanceof Number number ? number.longValue() : null;
  }

  List<Long> numbers(String name) {
    List<Long> numbers = new ArrayList<>();
    for (Object number : (List<?>) members.get(name)) {
      numbers.add(((Number) number).longValue());
    }
    return numbers;
  }

  Duration seconds(String name) {
    return Duration.ofMillis(Math.round(((Number) members.get(name)).doubleValue() * 1000));
  }

  /** JSON's whole numbers are long, as they come over HTTP. */
  @SuppressWarnings("unchecked")
  Map<String, Object> map(String name) {
    var map = (Map<String, Object>) members.get(name);
    if (map != null) {
      map.replaceAll((key, value) -> value instanceof Integer number ? (Object) number.longValue() : value);
    }
    return map;
  }

  @SuppressWarnings("unchecked")
  List<Arguments> list(String name) {
    List<Arguments> all = new ArrayList<>();
    for (Object element : (List<?>) members.get(name)) {
      all.add(new Arguments((Map<String, Object>) element));
    }
    return all;
  }
}
