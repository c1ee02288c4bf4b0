// One message or one request with all that is known of it.

import { byId, element, setText } from "./elements.js";

let shown = "";

/** Builds the detail anew only if it tells something new: the reader may be selecting in it. */
function show(title, item, build) {
  const text = JSON.stringify([title, item]);
  if (text === shown) return;
  shown = text;
  setText(byId("detail-title"), title);
  byId("detail-body").replaceChildren(...build());
}

/** A message; `message` is undefined when it is not among those listed. */
export function showMessage(sequence, message) {
  show(`Message ${sequence}`, message, () => {
    if (!message) {
      return [note("It is not listed any more: received, expired, moved, or too far back.")];
    }
    const { dead_letter, broker_properties, properties, content_type, form, body } = message;
    const dead = dead_letter && [
      ["Reason", dead_letter.reason],
      ["Description", dead_letter.description],
    ];
    return [
      ...part("Dead-lettered", dead && pairs(dead)),
      ...part(bodyTitle(body), bodyText(body)),
      ...part("Content type", note(content_type ?? "none")),
      ...part("Properties", properties.length > 0 ? propertyTable(properties) : note("none")),
      ...part("Broker properties", pairs(Object.entries(broker_properties))),
      ...part("State", pairs(state(message, form))),
      ...(form.startsWith("amqp") ? [] : requestParts(message.request)),
    ];
  });
}

/** A request; `entry` is undefined when it is not among those listed. */
export function showRequest(number, entry) {
  show(`Request ${number}`, entry, () => {
    if (!entry) return [note("It is not listed any more.")];
    const verdict = [
      ["Outcome", entry.failed ? "refused" : "accepted"],
      ["Check", entry.failed ?? "all passed"],
      ...answer(entry),
      ["Verdict", entry.verdict],
    ];
    const line = [
      ["Time", entry.time],
      ["Protocol", entry.protocol],
      ["Request", `${entry.method} ${entry.path}`],
      ["Authority", entry.authority],
      ...(entry.tls_server_name === null ? [] : [["TLS server name", entry.tls_server_name]]),
      ...(entry.form === null ? [] : [["Form", entry.form]]),
    ];
    return [
      ...part("Verdict", pairs(verdict)),
      ...part("Request", pairs(line)),
      ...(entry.protocol === "amqp" ? [] : requestParts(entry.request)),
    ];
  });
}

function state({ state: held, locked_until }, form) {
  const until = locked_until === null ? [] : [["Locked until", locked_until]];
  return [["State", held], ...until, ["Form", form]];
}

function answer({ protocol, status, condition }) {
  if (protocol === "amqp") return condition === null ? [] : [["Condition", condition]];
  return [["Status", status ?? "none: the connection was reset or left without an answer"]];
}

function requestParts(request) {
  if (!request) return part("Headers", note("They are kept for the latest 4096 requests only."));
  const signers = request.authorization.map(({ kind, name, expires }) =>
    pairs([
      ["Kind", kind],
      ["Key name", name ?? "not readable"],
      ["Expires", expires ?? "not readable"],
    ]),
  );
  return [
    ...part("Authorization", ...(signers.length > 0 ? signers : [note("none")])),
    ...part("Headers", pairs(request.headers)),
  ];
}

function bodyTitle({ bytes, cut }) {
  return `Body, ${bytes} ${bytes === 1 ? "byte" : "bytes"}${cut ? ", the beginning" : ""}`;
}

function bodyText({ bytes, text, base64 }) {
  if (bytes === 0) return note("empty");
  // To be scrolled with the keyboard.
  const box = element("pre", { tabindex: "0" }, text ?? base64);
  return text === null ? element("div", {}, note("Not text; in base64:"), box) : box;
}

function propertyTable(properties) {
  const heads = ["Name", "Type", "Value"].map((text) => element("th", { scope: "col" }, text));
  const rows = properties.map(({ name, type, value }) =>
    element("tr", {}, ...[name, type, value].map((text) => element("td", {}, text))),
  );
  return element(
    "table",
    {},
    element("thead", {}, element("tr", {}, ...heads)),
    element("tbody", {}, ...rows),
  );
}

function part(title, ...content) {
  const given = content.filter(Boolean);
  return given.length > 0 ? [element("h3", {}, title), ...given] : [];
}

function pairs(entries) {
  const list = element("dl");
  for (const [name, value] of entries) {
    list.append(element("dt", {}, name), element("dd", {}, String(value)));
  }
  return list;
}

function note(text) {
  return element("p", {}, text);
}
