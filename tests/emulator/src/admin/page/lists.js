// The list of entities, and the tables of requests and messages.

import { byId, element, reconcile, setCurrent, setText } from "./elements.js";

const PREVIEW_CHARACTERS = 120;

/** A number with its noun. */
function counted(number, noun) {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}

/** Entities with their counts, each a link to its messages. */
export function showNavigation({ namespaces }, at, address) {
  setCurrent(byId("requests-link"), at.entity === undefined);
  reconcile(
    byId("namespaces"),
    namespaces,
    ({ name }) => name,
    ({ name }) => element("section", {}, element("h2", {}, name), element("ul")),
    (section, { name, queues, topics }) => {
      const entries = [
        ...queues,
        ...topics.flatMap((topic) => [topic, ...topic.subscriptions]),
      ];
      reconcile(
        section.lastElementChild,
        entries,
        ({ path }) => path,
        ({ counts }) => (counts.kind === "topic" ? topicEntry() : queueEntry()),
        (item, entry) => fillEntry(item, entry, name, at, address),
      );
    },
  );
}

function topicEntry() {
  return element("li", {}, element("span", { class: "name" }), element("span", { class: "counts" }));
}

function queueEntry() {
  const name = element("span", { class: "name" });
  return element("li", {}, element("a", {}, name, element("span", { class: "counts" })));
}

function fillEntry(item, { path, counts }, namespace, at, address) {
  item.className = counts.kind;
  const own = counts.kind === "subscription" ? path.split("/").pop() : path;
  setText(item.querySelector(".name"), own);
  setText(item.querySelector(".counts"), countsText(counts));
  const link = item.querySelector("a");
  if (link) {
    link.href = address({ namespace, entity: path });
    setCurrent(link, at.namespace === namespace && at.entity === path);
  }
}

function countsText(counts) {
  if (counts.kind === "topic") return `topic, ${counts.stored} taken`;
  const held = [
    [counts.active, "active"],
    [counts.locked, "locked"],
    [counts.deferred, "deferred"],
    [counts.scheduled, "scheduled"],
    [counts.dead_lettered, "dead"],
  ];
  const shown = held.filter(([number]) => number > 0);
  return shown.map(([number, word]) => `${number} ${word}`).join(", ") || "empty";
}

/** The latest requests with what became of each. */
export function showRequests({ requests, shown_at_most }, at, address) {
  setText(byId("title"), "Requests");
  byId("parts").hidden = true;
  limit(requests.length === shown_at_most ? `The latest ${shown_at_most}.` : "");
  table("requests", ["Time (UTC)", "Status", "Request", "Verdict"], requests, ({ number }) => number, {
    empty: "No requests yet. Send a message, and it shows here.",
    link: ({ number }) => address({ request: number }),
    isCurrent: ({ number }) => String(number) === at.request,
    cells: ({ time, protocol, status, condition, method, path, failed, verdict }) => [
      { text: time.slice(11, 19) },
      { text: statusText(protocol, status, condition), mark: failed ? "refused" : "accepted" },
      { text: `${protocol === "amqp" ? "AMQP " : ""}${method} ${path}`, wide: true },
      { text: failed ? `${failed}: ${verdict}` : verdict, wide: true },
    ],
  });
}

/** What the client was answered: AMQP has conditions of errors in place of a status. */
export function statusText(protocol, status, condition) {
  if (condition !== null) return condition.split(":").pop();
  return String(status ?? (protocol === "amqp" ? "ok" : "none"));
}

/** The messages of an entity or of its dead-letter queue, or its sessions. */
export function showMessages({ namespaces, messages, sessions }, at, address) {
  const { namespace, entity } = at;
  const isDead = at.part === "dead_letter";
  const found = namespaces
    .filter(({ name }) => name === namespace)
    .flatMap(({ queues, topics }) => [...queues, ...topics.flatMap((each) => each.subscriptions)])
    .find(({ path }) => path === entity);
  setText(byId("title"), entity);
  byId("parts").hidden = !found;
  if (found) showParts(found.counts, at, address, sessions);
  if (at.part === "sessions") {
    showSessions(sessions ?? [], at, address);
    return;
  }
  const held = found ? total(found.counts, isDead) : 0;
  const listed = messages ?? [];
  limit(listed.length < held && listed.length > 0 ? `The latest ${listed.length} of ${held}.` : "");
  const headings = ["Sequence", isDead ? "Reason" : "State", "MessageId", "Enqueued (UTC)", "Body"];
  table(`${namespace}/${entity}/${at.part}`, headings, listed, ({ sequence }) => sequence, {
    empty: emptyText(messages, found, isDead),
    link: ({ sequence }) => address({ namespace, entity, part: at.part, message: sequence }),
    isCurrent: ({ sequence }) => String(sequence) === at.message,
    cells: ({ sequence, state, dead_letter, broker_properties, body }) => [
      { text: String(sequence) },
      { text: isDead ? dead_letter?.reason ?? "" : state, mark: isDead ? "refused" : state },
      { text: broker_properties.MessageId, wide: true },
      { text: withoutYear(broker_properties.EnqueuedTimeUtc) },
      { text: preview(body), wide: true },
    ],
  });
}

function total(counts, isDead) {
  if (isDead) return counts.dead_lettered;
  return counts.active + counts.locked + counts.deferred + counts.scheduled;
}

function emptyText(messages, found, isDead) {
  if (messages === undefined) return "Loading.";
  if (!found) return "There is no such queue or subscription.";
  return isDead ? "No dead letters." : "No messages.";
}

function showSessions(sessions, { namespace, entity }, address) {
  limit("");
  const headings = ["Session", "Locked until (UTC)", "Waiting", "Received", "State"];
  table(`${namespace}/${entity}/sessions`, headings, sessions, ({ id }) => id, {
    empty: "No session has a message, a holder or a state.",
    link: () => address({ namespace, entity }),
    isCurrent: () => false,
    cells: ({ id, locked_until, waiting, received, state_bytes }) => [
      { text: id, wide: true },
      { text: locked_until?.slice(11, 19) ?? "free", mark: locked_until ? "locked" : "active" },
      { text: String(waiting) },
      { text: String(received) },
      { text: state_bytes === null ? "none" : counted(state_bytes, "byte") },
    ],
  });
}

function showParts(counts, { namespace, entity, part }, address, sessions) {
  const [main, dead, held] = ["main-part", "dead-letter-part", "sessions-part"].map(byId);
  main.href = address({ namespace, entity });
  dead.href = address({ namespace, entity, part: "dead_letter" });
  setText(main, counted(total(counts, false), "message"));
  setText(dead, counted(total(counts, true), "dead letter"));
  held.hidden = !sessions && part !== "sessions";
  held.href = address({ namespace, entity, part: "sessions" });
  setCurrent(main, part === undefined);
  setCurrent(dead, part === "dead_letter");
  setCurrent(held, part === "sessions");
}

/** `24 Nov 02:49:49` of `Tue, 24 Nov 2026 02:49:49 GMT`. */
function withoutYear(time) {
  return time.slice(5, 11) + time.slice(16, 25);
}

function preview({ text, bytes }) {
  if (bytes === 0) return "(empty)";
  if (text === null) return `(${counted(bytes, "byte")}, not text)`;
  return text.slice(0, PREVIEW_CHARACTERS);
}

function limit(text) {
  setText(byId("limit"), text);
  byId("limit").hidden = text === "";
}

/** A table whose first cell of each row links to the row's detail. */
function table(name, headings, items, key, { empty, link, isCurrent, cells }) {
  byId("scroll").hidden = items.length === 0;
  byId("empty").hidden = items.length > 0;
  setText(byId("empty"), empty);
  const rows = byId("rows");
  if (rows.dataset.list !== name) rows.replaceChildren();
  rows.dataset.list = name;
  const heading = (text) => element("th", { scope: "col" }, text);
  reconcile(byId("columns-head"), headings, (text) => text, heading, () => {});
  const row = (item) => {
    const [, ...rest] = cells(item);
    const first = element("td", {}, element("a"));
    return element("tr", {}, first, ...rest.map(() => element("td", {}, element("span"))));
  };
  reconcile(rows, items, key, row, (made, item) => {
    cells(item).forEach(({ text, mark, wide }, index) => {
      const cell = made.children[index];
      cell.className = wide ? "wide" : "";
      setText(cell.firstElementChild, text);
      cell.firstElementChild.dataset.mark = mark ?? "";
    });
    const anchor = made.querySelector("a");
    anchor.href = link(item);
    setCurrent(anchor, isCurrent(item));
  });
}
