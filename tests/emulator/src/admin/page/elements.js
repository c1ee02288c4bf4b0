// The only ways in which text and elements get into the page. What senders write goes through
// `textContent` and is never read as markup.

/** An element of the page that is always there. */
export const byId = (id) => document.getElementById(id);

/** An element with attributes and children; a child that is text becomes text. */
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [attribute, value] of Object.entries(attributes)) {
    made.setAttribute(attribute, value);
  }
  made.append(...children);
  return made;
}

/** Sets a text, but leaves an equal one alone: it may be selected. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Marks where the reader is. */
export function setCurrent(link, isCurrent) {
  if (isCurrent) link.setAttribute("aria-current", "true");
  else link.removeAttribute("aria-current");
}

/**
 * Makes the children of `parent` those of `items`. An item that was there keeps its element, and
 * with it focus and selection: `make` builds one for a key, `fill` brings it up to date.
 */
export function reconcile(parent, items, key, make, fill) {
  const keys = new Set(items.map((item) => String(key(item))));
  const old = new Map();
  for (const node of [...parent.children]) {
    if (keys.has(node.dataset.key)) old.set(node.dataset.key, node);
    else node.remove();
  }
  let place = parent.firstElementChild;
  for (const item of items) {
    const name = String(key(item));
    let node = old.get(name);
    if (!node) {
      node = make(item);
      node.dataset.key = name;
    }
    fill(node, item);
    if (node === place) place = place.nextElementSibling;
    else parent.insertBefore(node, place);
  }
}
