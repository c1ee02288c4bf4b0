// Asks the emulator every second what there is, and shows it. Where the reader is stands in the
// address after `#`, so links, the back button and a reload work.

import { byId, setCurrent, setText } from "./elements.js";
import { showMessage, showRequest } from "./details.js";
import { showMessages, showNavigation, showRequests } from "./lists.js";

const PAUSE_MILLISECONDS = 1000;

let latest = null;
let latestText = "";
let running = null;
let timer = 0;

/** Where the reader is: an entity and its part, a message or a request. */
function place() {
  return Object.fromEntries(new URLSearchParams(location.hash.slice(1)));
}

/** The address of a place. */
function address(at) {
  const given = Object.entries(at).filter(([, value]) => value !== undefined);
  const words = given.map((pair) => pair.map(encodeURIComponent).join("="));
  return `#${words.join("&")}`;
}

async function ask() {
  clearTimeout(timer);
  running?.abort();
  const mine = (running = new AbortController());
  const { namespace, entity, part } = place();
  const query = address({ namespace, entity, part }).slice(1);
  try {
    const answer = await fetch(`overview?${query}`, { cache: "no-store", signal: mine.signal });
    const text = await answer.text();
    if (!answer.ok) throw new Error(text);
    if (text !== latestText) {
      latestText = text;
      latest = JSON.parse(text);
      show();
    }
    connection("live");
  } catch (error) {
    if (mine.signal.aborted) return;
    connection("no answer");
    console.error(error);
  }
  if (!document.hidden) timer = setTimeout(ask, PAUSE_MILLISECONDS);
}

function connection(state) {
  const shown = byId("connection");
  setText(shown, state);
  shown.dataset.state = state;
}

function show() {
  const at = place();
  setText(byId("tier"), `${latest.tier} tier`);
  showNavigation(latest, at, address);
  if (at.entity === undefined) showRequests(latest, at, address);
  else showMessages(latest, at, address);
  showDetail(at);
}

function showDetail(at) {
  const detail = byId("detail");
  detail.hidden = at.message === undefined && at.request === undefined;
  byId("close").href = address({ ...at, message: undefined, request: undefined });
  if (at.message !== undefined) {
    const found = latest.messages?.find(({ sequence }) => String(sequence) === at.message);
    showMessage(at.message, found);
  } else if (at.request !== undefined) {
    showRequest(at.request, latest.requests.find(({ number }) => String(number) === at.request));
  }
}

/** The reader went elsewhere: to a detail, back to its row, or to another list. */
function move({ oldURL }) {
  const before = new URLSearchParams(new URL(oldURL).hash.slice(1));
  const at = place();
  const elsewhere = ["namespace", "entity", "part"].some(
    (name) => (before.get(name) ?? undefined) !== at[name],
  );
  // The messages at hand are those of another place.
  if (elsewhere && latest) latest.messages = undefined;
  latestText = "";
  if (latest) show();
  if (at.message !== undefined || at.request !== undefined) {
    byId("detail-title").focus();
  } else {
    const left = before.get("message") ?? before.get("request");
    if (left !== null) document.querySelector(`tr[data-key="${CSS.escape(left)}"] a`)?.focus();
  }
  ask();
}

addEventListener("hashchange", move);
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) ask();
});
setCurrent(byId("requests-link"), true);
ask();
