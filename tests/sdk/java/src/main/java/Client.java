import com.azure.core.amqp.AmqpRetryOptions;
import com.azure.core.amqp.exception.AmqpErrorCondition;
import com.azure.core.amqp.exception.AmqpException;
import com.azure.json.JsonProviders;
import com.azure.json.JsonReader;
import com.azure.json.JsonWriter;
import com.azure.messaging.servicebus.ServiceBusClientBuilder;
import com.azure.messaging.servicebus.ServiceBusException;
import com.azure.messaging.servicebus.ServiceBusMessage;
import com.azure.messaging.servicebus.ServiceBusMessageBatch;
import com.azure.messaging.servicebus.ServiceBusReceivedMessage;
import com.azure.messaging.servicebus.ServiceBusReceiverClient;
import com.azure.messaging.servicebus.ServiceBusRuleManagerClient;
import com.azure.messaging.servicebus.ServiceBusSenderClient;
import com.azure.messaging.servicebus.ServiceBusSessionReceiverClient;
import com.azure.messaging.servicebus.administration.models.CorrelationRuleFilter;
import com.azure.messaging.servicebus.administration.models.CreateRuleOptions;
import com.azure.messaging.servicebus.administration.models.RuleAction;
import com.azure.messaging.servicebus.administration.models.RuleFilter;
import com.azure.messaging.servicebus.administration.models.SqlRuleAction;
import com.azure.messaging.servicebus.administration.models.SqlRuleFilter;
import com.azure.messaging.servicebus.models.AbandonOptions;
import com.azure.messaging.servicebus.models.DeadLetterOptions;
import com.azure.messaging.servicebus.models.DeferOptions;
import com.azure.messaging.servicebus.models.ServiceBusReceiveMode;
import com.azure.messaging.servicebus.models.SubQueue;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.time.OffsetDateTime;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.TimeoutException;
import java.util.function.Supplier;

/** Commands for azure-messaging-servicebus as lines of JSON, answers likewise; see ../README.md. */
public final class Client {
  private final Map<String, ServiceBusSenderClient> senders = new HashMap<>();
  private final Map<String, ServiceBusReceiverClient> receivers = new HashMap<>();
  private final Map<String, ServiceBusSessionReceiverClient> accepters = new HashMap<>();
  private final Map<String, ServiceBusReceivedMessage> messages = new HashMap<>();
  // A builder whose parts share one connection.
  private ServiceBusClientBuilder builder;
  private Supplier<ServiceBusClientBuilder> sessionBuilders;

  public static void main(String[] arguments) throws Exception {
    var client = new Client();
    var lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    var answers = new PrintStream(System.out, true, StandardCharsets.UTF_8);
    for (String line = lines.readLine(); line != null; line = lines.readLine()) {
      Map<String, Object> answer = new LinkedHashMap<>();
      try (JsonReader reader = JsonProviders.createReader(line)) {
        @SuppressWarnings("unchecked")
        var command = (Map<String, Object>) reader.readUntyped();
        answer.put("result", client.run(new Arguments(command)));
      } catch (Exception error) {
        answer.put("error", code(error));
        answer.put("text", error.toString());
      }
      var text = new StringWriter();
      try (JsonWriter writer = JsonProviders.createWriter(text)) {
        writer.writeUntyped(answer);
      }
      answers.println(text);
    }
    // The SDK's threads go on for a while.
    System.exit(0);
  }

  private Object run(Arguments command) {
    String name = command.text("command");
    ServiceBusReceiverClient receiver = receivers.get(command.text("receiver"));
    ServiceBusReceivedMessage message = messages.get(command.text("message"));
    switch (name) {
      case "open" -> open(command);
      case "close" -> close();
      case "send" -> send(command);
      case "schedule" -> {
        var numbers = sender(command).scheduleMessages(made(command), moment(command.number("at")));
        List<Long> all = new ArrayList<>();
        numbers.forEach(all::add);
        return all;
      }
      case "cancel" -> sender(command).cancelScheduledMessages(command.numbers("numbers"));
      case "receive_from" -> {
        return receiveFrom(command);
      }
      case "leave" -> leave(command.text("receiver"));
      case "receive" -> {
        int most = (int) (long) command.number("most");
        return keep(receiver.receiveMessages(most, command.seconds("wait")));
      }
      case "receive_deferred" -> {
        return keep(receiver.receiveDeferredMessageBatch(command.numbers("numbers")));
      }
      case "peek" -> {
        int most = (int) (long) command.number("most");
        long from = Objects.requireNonNullElse(command.number("number"), 1L);
        List<Object> all = new ArrayList<>();
        receiver.peekMessages(most, from).forEach(peeked -> all.add(told(peeked)));
        return all;
      }
      case "complete" -> receiver.complete(message);
      case "abandon" ->
          receiver.abandon(
              message, new AbandonOptions().setPropertiesToModify(command.map("properties")));
      case "defer" ->
          receiver.defer(
              message, new DeferOptions().setPropertiesToModify(command.map("properties")));
      case "dead_letter" ->
          receiver.deadLetter(
              message,
              new DeadLetterOptions()
                  .setDeadLetterReason(command.text("reason"))
                  .setDeadLetterErrorDescription(command.text("description")));
      case "renew" -> {
        return millis(receiver.renewMessageLock(message));
      }
      case "renew_session" -> {
        return millis(receiver.renewSessionLock());
      }
      case "get_state" -> {
        byte[] state = receiver.getSessionState();
        return state == null ? null : Base64.getEncoder().encodeToString(state);
      }
      case "set_state" -> receiver.setSessionState(command.bytes("state"));
      case "add_rule" -> addRule(command);
      case "remove_rule" -> {
        try (ServiceBusRuleManagerClient rules = rules(command)) {
          rules.deleteRule(command.text("name"));
        }
      }
      case "list_rules" -> {
        return listRules(command);
      }
      default -> throw new IllegalArgumentException("there is no command " + name);
    }
    return null;
  }

  private void open(Arguments command) {
    String connectionString = command.text("connection_string");
    long timeout = Objects.requireNonNullElse(command.number("timeout"), 20L);
    var retries = new AmqpRetryOptions().setMaxRetries(0);
    retries.setTryTimeout(Duration.ofSeconds(timeout));
    String address = command.text("address");
    Supplier<ServiceBusClientBuilder> builders =
        () -> {
          var made = new ServiceBusClientBuilder().connectionString(connectionString);
          made = made.retryOptions(retries);
          return address == null ? made : made.customEndpointAddress("https://" + address);
        };
    builder = builders.get();
    // The SDK names the links of a connection by their sessions, and would share one.
    sessionBuilders = builders;
  }

  private void close() {
    List.copyOf(receivers.keySet()).forEach(this::leave);
    senders.values().forEach(ServiceBusSenderClient::close);
  }

  private ServiceBusSenderClient sender(Arguments command) {
    return senders.computeIfAbsent(
        command.text("entity"), entity -> builder.sender().queueName(entity).buildClient());
  }

  private void send(Arguments command) {
    ServiceBusSenderClient sender = sender(command);
    if (!command.flag("batch")) {
      made(command).forEach(sender::sendMessage);
      return;
    }
    ServiceBusMessageBatch batch = sender.createMessageBatch();
    for (ServiceBusMessage message : made(command)) {
      if (!batch.tryAddMessage(message)) {
        throw new IllegalStateException("the batch is full");
      }
    }
    sender.sendMessages(batch);
  }

  private Map<String, Object> receiveFrom(Arguments command) {
    String name = command.text("receiver");
    String entity = command.text("entity");
    String subscription = command.text("subscription");
    String session = command.text("session");
    var mode =
        command.flag("delete")
            ? ServiceBusReceiveMode.RECEIVE_AND_DELETE
            : ServiceBusReceiveMode.PEEK_LOCK;
    Map<String, Object> told = new HashMap<>();
    if (session == null && !command.flag("next_session")) {
      var receiver = builder.receiver().receiveMode(mode).maxAutoLockRenewDuration(Duration.ZERO);
      receiver = receiver.disableAutoComplete();
      if (command.number("prefetch") != null) {
        receiver = receiver.prefetchCount((int) (long) command.number("prefetch"));
      }
      if (command.flag("dead_letters")) {
        receiver = receiver.subQueue(SubQueue.DEAD_LETTER_QUEUE);
      }
      receiver =
          subscription == null
              ? receiver.queueName(entity)
              : receiver.topicName(entity).subscriptionName(subscription);
      receivers.put(name, receiver.buildClient());
      return told;
    }
    var made = sessionBuilders.get().sessionReceiver().receiveMode(mode);
    made = made.maxAutoLockRenewDuration(Duration.ZERO).disableAutoComplete();
    made =
        subscription == null
            ? made.queueName(entity)
            : made.topicName(entity).subscriptionName(subscription);
    ServiceBusSessionReceiverClient accepter = made.buildClient();
    try {
      var receiver =
          session == null ? accepter.acceptNextSession() : accepter.acceptSession(session);
      receivers.put(name, receiver);
      accepters.put(name, accepter);
      told.put("session_id", receiver.getSessionId());
      return told;
    } catch (RuntimeException error) {
      accepter.close();
      throw error;
    }
  }

  private void leave(String name) {
    receivers.remove(name).close();
    ServiceBusSessionReceiverClient accepter = accepters.remove(name);
    if (accepter != null) {
      accepter.close();
    }
  }

  /** Messages as they are told, kept for whoever settles them by their lock. */
  private List<Object> keep(Iterable<ServiceBusReceivedMessage> received) {
    List<Object> all = new ArrayList<>();
    for (ServiceBusReceivedMessage message : received) {
      messages.put(message.getLockToken(), message);
      all.add(told(message));
    }
    return all;
  }

  private ServiceBusRuleManagerClient rules(Arguments command) {
    return builder
        .ruleManager()
        .topicName(command.text("topic"))
        .subscriptionName(command.text("subscription"))
        .buildClient();
  }

  private void addRule(Arguments command) {
    String sql = command.text("sql");
    RuleFilter filter;
    if (sql != null) {
      filter = new SqlRuleFilter(sql);
    } else {
      var wanted = new Arguments(command.map("correlation"));
      var correlation = new CorrelationRuleFilter().setLabel(wanted.text("subject"));
      Map<String, Object> properties = wanted.map("properties");
      if (properties != null) {
        correlation.getProperties().putAll(properties);
      }
      filter = correlation;
    }
    String action = command.text("action");
    var options = new CreateRuleOptions(filter);
    if (action != null) {
      options.setAction(new SqlRuleAction(action));
    }
    try (ServiceBusRuleManagerClient rules = rules(command)) {
      rules.createRule(command.text("name"), options);
    }
  }

  private List<Object> listRules(Arguments command) {
    List<Object> listed = new ArrayList<>();
    try (ServiceBusRuleManagerClient rules = rules(command)) {
      rules
          .listRules()
          .forEach(
              rule -> {
                Map<String, Object> told = new LinkedHashMap<>();
                RuleFilter filter = rule.getFilter();
                RuleAction action = rule.getAction();
                told.put("name", rule.getName());
                told.put("sql", filter instanceof SqlRuleFilter s ? s.getSqlExpression() : null);
                told.put("subject", filter instanceof CorrelationRuleFilter c ? c.getLabel() : null);
                told.put("action", action instanceof SqlRuleAction a ? a.getSqlExpression() : null);
                listed.add(told);
              });
    }
    return listed;
  }

  private static List<ServiceBusMessage> made(Arguments command) {
    List<ServiceBusMessage> all = new ArrayList<>();
    for (Arguments fields : command.list("messages")) {
      var message =
          new ServiceBusMessage(fields.bytes("body"))
              .setMessageId(fields.text("message_id"))
              .setSessionId(fields.text("session_id"))
              .setCorrelationId(fields.text("correlation_id"))
              .setSubject(fields.text("subject"))
              .setReplyTo(fields.text("reply_to"))
              .setReplyToSessionId(fields.text("reply_to_session_id"))
              .setContentType(fields.text("content_type"));
      if (fields.text("to") != null) {
        message.setTo(fields.text("to"));
      }
      if (fields.text("partition_key") != null) {
        message.setPartitionKey(fields.text("partition_key"));
      }
      if (fields.number("time_to_live") != null) {
        message.setTimeToLive(Duration.ofMillis(fields.number("time_to_live")));
      }
      if (fields.number("scheduled_enqueue_time") != null) {
        message.setScheduledEnqueueTime(moment(fields.number("scheduled_enqueue_time")));
      }
      Map<String, Object> properties = fields.map("properties");
      if (properties != null) {
        message.getApplicationProperties().putAll(properties);
      }
      all.add(message);
    }
    return all;
  }

  private static Map<String, Object> told(ServiceBusReceivedMessage message) {
    Map<String, Object> properties = new LinkedHashMap<>();
    message.getApplicationProperties().forEach((name, value) -> properties.put(name, typed(value)));
    Duration lifetime = message.getTimeToLive();
    Map<String, Object> told = new LinkedHashMap<>();
    told.put("body", Base64.getEncoder().encodeToString(message.getBody().toBytes()));
    told.put("message_id", message.getMessageId());
    told.put("session_id", message.getSessionId());
    told.put("correlation_id", message.getCorrelationId());
    told.put("subject", message.getSubject());
    told.put("to", message.getTo());
    told.put("reply_to", message.getReplyTo());
    told.put("reply_to_session_id", message.getReplyToSessionId());
    told.put("content_type", message.getContentType());
    told.put("partition_key", message.getPartitionKey());
    told.put("time_to_live", lifetime == null ? null : lifetime.toMillis());
    told.put("scheduled_enqueue_time", millis(message.getScheduledEnqueueTime()));
    told.put("enqueued_time", millis(message.getEnqueuedTime()));
    told.put("sequence_number", message.getSequenceNumber());
    told.put("delivery_count", message.getDeliveryCount());
    told.put("state", message.getState().toString().toLowerCase());
    told.put("dead_letter_reason", message.getDeadLetterReason());
    told.put("dead_letter_description", message.getDeadLetterErrorDescription());
    told.put("lock", message.getLockToken());
    told.put("locked_until", millis(message.getLockedUntil()));
    told.put("properties", properties);
    return told;
  }

  private static List<Object> typed(Object value) {
    if (value instanceof Boolean) {
      return List.of("boolean", value);
    } else if (value instanceof Float || value instanceof Double) {
      return List.of("float", value);
    } else if (value instanceof Number number) {
      return List.of("integer", number.longValue());
    } else if (value instanceof String) {
      return List.of("string", value);
    }
    return List.of(value == null ? "null" : value.getClass().getName(), String.valueOf(value));
  }

  private static OffsetDateTime moment(long millis) {
    return Instant.ofEpochMilli(millis).atOffset(ZoneOffset.UTC);
  }

  private static Long millis(OffsetDateTime moment) {
    return moment == null ? null : moment.toInstant().toEpochMilli();
  }

  private static String code(Throwable error) {
    for (Throwable cause = error; cause != null; cause = cause.getCause()) {
      if (cause instanceof ServiceBusException exception) {
        String reason = exception.getReason().toString();
        String known =
            switch (reason) {
              case "MESSAGE_LOCK_LOST" -> "lock lost";
              case "SESSION_LOCK_LOST" -> "session lock lost";
              case "SESSION_CANNOT_BE_LOCKED" -> "session held";
              case "MESSAGING_ENTITY_NOT_FOUND" -> "no such entity";
              case "MESSAGE_NOT_FOUND" -> "no such message";
              case "MESSAGE_SIZE_EXCEEDED" -> "too large";
              case "SERVICE_TIMEOUT" -> "timeout";
              case "UNAUTHORIZED" -> "unauthorized";
              default -> null;
            };
        if (known != null) {
          return known;
        }
      }
      if (cause instanceof TimeoutException) {
        return "timeout";
      }
      if (cause instanceof AmqpException exception) {
        if (exception.getErrorCondition() == AmqpErrorCondition.LINK_PAYLOAD_SIZE_EXCEEDED) {
          return "too large";
        }
        if (exception.getErrorCondition() == AmqpErrorCondition.SESSION_CANNOT_BE_LOCKED) {
          return "session held";
        }
      }
    }
    return "other";
  }
}
