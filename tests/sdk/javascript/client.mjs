// Commands for @azure/service-bus as lines of JSON, answers likewise; see ../README.md.

import { ServiceBusClient } from "@azure/service-bus";
import Long from "long";
import readline from "node:readline";

const CODES = {
  MessageLockLost: "lock lost",
  SessionLockLost: "session lock lost",
  SessionCannotBeLocked: "session held",
  MessagingEntityNotFound: "no such entity",
  MessageNotFound: "no such message",
  MessageSizeExceeded: "too large",
  ServiceTimeout: "timeout",
  UnauthorizedAccess: "unauthorized",
};

let client;
const senders = new Map();
const receivers = new Map();
const messages = new Map();

const commands = {
  open({ connection_string, timeout = 20, address }) {
    const retryOptions = { maxRetries: 0, timeoutInMs: timeout * 1000 };
    const customEndpointAddress = address && `sb://${address}`;
    client = new ServiceBusClient(connection_string, { retryOptions, customEndpointAddress });
  },

  async close() {
    await client.close();
  },

  async send({ entity, messages, batch }) {
    if (!batch) {
      for (const message of messages) await sender(entity).sendMessages(made(message));
      return;
    }
    const together = await sender(entity).createMessageBatch();
    for (const message of messages) {
      if (!together.tryAddMessage(made(message))) throw new Error("the batch is full");
    }
    await sender(entity).sendMessages(together);
  },

  async schedule({ entity, messages, at }) {
    const numbers = await sender(entity).scheduleMessages(messages.map(made), new Date(at));
    return numbers.map(Number);
  },

  async cancel({ entity, numbers }) {
    await sender(entity).cancelScheduledMessages(numbers.map((n) => Long.fromNumber(n)));
  },

  async receive_from(wanted) {
    const { receiver, entity, subscription, session, next_session } = wanted;
    const path = subscription === undefined ? [entity] : [entity, subscription];
    const options = {
      receiveMode: wanted.delete ? "receiveAndDelete" : "peekLock",
      maxAutoLockRenewalDurationInMs: 0,
      skipParsingBodyAsJson: true,
    };
    if (wanted.dead_letters) options.subQueueType = "deadLetter";
    let made;
    if (session !== undefined) made = await client.acceptSession(...path, session, options);
    else if (next_session) made = await client.acceptNextSession(...path, options);
    else made = client.createReceiver(...path, options);
    receivers.set(receiver, made);
    return {
      session_id: made.sessionId ?? null,
      locked_until: made.sessionLockedUntilUtc?.getTime() ?? null,
    };
  },

  async leave({ receiver }) {
    const left = receivers.get(receiver);
    receivers.delete(receiver);
    await left.close();
  },

  async receive({ receiver, most, wait }) {
    const options = { maxWaitTimeInMs: wait * 1000 };
    return keep(await receivers.get(receiver).receiveMessages(most, options));
  },

  async receive_deferred({ receiver, numbers }) {
    const longs = numbers.map((n) => Long.fromNumber(n));
    return keep(await receivers.get(receiver).receiveDeferredMessages(longs));
  },

  async peek({ receiver, most, number = 1 }) {
    const options = { fromSequenceNumber: Long.fromNumber(number) };
    return (await receivers.get(receiver).peekMessages(most, options)).map(told);
  },

  async complete({ receiver, message }) {
    await receivers.get(receiver).completeMessage(messages.get(message));
  },

  async abandon({ receiver, message, properties }) {
    await receivers.get(receiver).abandonMessage(messages.get(message), properties);
  },

  async defer({ receiver, message, properties }) {
    await receivers.get(receiver).deferMessage(messages.get(message), properties);
  },

  async dead_letter({ receiver, message, reason, description }) {
    const options = { deadLetterReason: reason, deadLetterErrorDescription: description };
    await receivers.get(receiver).deadLetterMessage(messages.get(message), options);
  },

  async renew({ receiver, message }) {
    return (await receivers.get(receiver).renewMessageLock(messages.get(message))).getTime();
  },

  async renew_session({ receiver }) {
    return (await receivers.get(receiver).renewSessionLock()).getTime();
  },

  async get_state({ receiver }) {
    const state = await receivers.get(receiver).getSessionState();
    return state === null || state === undefined ? null : Buffer.from(state).toString("base64");
  },

  async set_state({ receiver, state }) {
    const bytes = state === null ? null : Buffer.from(state, "base64");
    await receivers.get(receiver).setSessionState(bytes);
  },

  async add_rule({ topic, subscription, name, sql, correlation, action }) {
    const filter = sql === undefined ? correlated(correlation) : { sqlExpression: sql };
    const rules = client.createRuleManager(topic, subscription);
    await rules.createRule(name, filter, action && { sqlExpression: action });
  },

  async remove_rule({ topic, subscription, name }) {
    const rules = client.createRuleManager(topic, subscription);
    await rules.deleteRule(name);
  },

  async list_rules({ topic, subscription }) {
    const rules = client.createRuleManager(topic, subscription);
    const listed = [];
    for await (const { name, filter, action } of rules.listRules()) {
      listed.push({
        name,
        sql: filter.sqlExpression ?? null,
        subject: filter.subject ?? null,
        action: action?.sqlExpression ?? null,
      });
    }
    return listed;
  },
};

function sender(entity) {
  if (!senders.has(entity)) senders.set(entity, client.createSender(entity));
  return senders.get(entity);
}

// Messages as they are told, kept for whoever settles them by their lock.
function keep(received) {
  for (const message of received) messages.set(message.lockToken, message);
  return received.map(told);
}

function correlated({ properties, ...fields }) {
  return { ...camel(fields), applicationProperties: properties };
}

function camel(fields) {
  const name = (snake) => snake.replace(/_(.)/g, (_, letter) => letter.toUpperCase());
  return Object.fromEntries(Object.entries(fields).map(([key, value]) => [name(key), value]));
}

function made({ body, properties, scheduled_enqueue_time, ...fields }) {
  const message = { ...camel(fields), body: Buffer.from(body, "base64") };
  if (properties) message.applicationProperties = properties;
  if (scheduled_enqueue_time) message.scheduledEnqueueTimeUtc = new Date(scheduled_enqueue_time);
  return message;
}

function told(message) {
  const properties = Object.entries(message.applicationProperties ?? {});
  return {
    body: Buffer.from(message.body).toString("base64"),
    message_id: message.messageId ?? null,
    session_id: message.sessionId ?? null,
    correlation_id: message.correlationId ?? null,
    subject: message.subject ?? null,
    to: message.to ?? null,
    reply_to: message.replyTo ?? null,
    reply_to_session_id: message.replyToSessionId ?? null,
    content_type: message.contentType ?? null,
    partition_key: message.partitionKey ?? null,
    time_to_live: message.timeToLive ?? null,
    scheduled_enqueue_time: message.scheduledEnqueueTimeUtc?.getTime() ?? null,
    enqueued_time: message.enqueuedTimeUtc?.getTime() ?? null,
    sequence_number: message.sequenceNumber ? Number(message.sequenceNumber) : null,
    delivery_count: message.deliveryCount ?? null,
    state: message.state,
    dead_letter_reason: message.deadLetterReason ?? null,
    dead_letter_description: message.deadLetterErrorDescription ?? null,
    lock: message.lockToken ?? null,
    locked_until: message.lockedUntilUtc?.getTime() ?? null,
    properties: Object.fromEntries(properties.map(([name, value]) => [name, typed(value)])),
  };
}

function typed(value) {
  switch (typeof value) {
    case "boolean":
    case "number":
    case "string":
      return [typeof value, value];
    default:
      return [value?.constructor?.name ?? "null", String(value)];
  }
}

for await (const line of readline.createInterface({ input: process.stdin })) {
  const { command, ...arguments_ } = JSON.parse(line);
  let answer;
  try {
    answer = { result: (await commands[command](arguments_)) ?? null };
  } catch (error) {
    answer = { error: CODES[error.code] ?? "other", text: `${error.code}: ${error.message}` };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
process.exit();
