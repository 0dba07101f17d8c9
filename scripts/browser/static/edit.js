// A page to be corrected: its rows, the field of the one being corrected, keys, and what is said.
import * as pages from "./page.js";
import { Saver } from "./save.js";

const desk = JSON.parse(document.getElementById("desk").textContent);
const rows = document.getElementById("rows");
const by = (id) => document.getElementById(id);
const NOTES = ["continuation", "double_height", "crossed_out", "illegible", "other"];
const TYPES = ["H", "M", "L", "Std", "O", "R"];
const inWords = (word) => word.replaceAll("_", " ");

let state = pages.opened(desk.opened); // { page, checked }
for (const block of state.page.quadrants) {
  block.entries.forEach((entry, place) => {
    const first = block.entries.findIndex((one) => one.row_index === entry.row_index) === place;
    if (first) entry.second = desk.second[`${block.position}-${String(entry.row_index).padStart(2, "0")}`];
  });
}
let status = desk.opened.status; // complete, draft, or null where nobody has saved it
let current = null; // the name of the item that has the focus, or had it last
let open = null; // the item whose fields are open: { name, form, fields, before, begun }
let theirs = null; // another person's text, while a choice is to be made
const history = new pages.History();
const saver = new Saver(desk, () => ({ page: pages.plain(state.page), checked: state.checked }), heard);

// --- small parts of a page ----------------------------------------------------------------------

// An element with these properties and children; a text stays a text.
function el(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in made && typeof value !== "string") made[name] = value;
    else if (value !== null && value !== undefined) made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined && child !== ""));
  return made;
}

const button = (text, click, more = {}) => {
  const made = el("button", { type: "button", ...more }, text);
  made.addEventListener("click", click);
  return made;
};

function tell(text) { by("told").textContent = text; }

// --- where an item is on the scan -----------------------------------------------------------------

// Left, top, right, bottom in px of the sheet.
function boxOf(item) {
  const { places } = desk;
  if (item.kind === "date") return places.date;
  if (item.kind === "comments") return places.comments;
  const block = places.blocks[item.position];
  const right = Math.min(block.right, places.width);
  if (item.kind === "block") return [block.left, block.head, right, block.top + 8];
  const entry = pages.entryOf(state.page, item.uid);
  const first = Math.min(Math.max(entry.row_index, 0), pages.ROWS - 1);
  const high = entry.notes === "double_height" ? 2 : 1;
  return [block.left, block.top + block.step * first, right, block.top + block.step * (first + high)];
}

function percent([left, top, right, bottom], margin = 10) {
  const { width, height } = desk.places;
  return [
    (100 * (left - margin)) / width, (100 * (top - margin)) / height,
    (100 * (right - left + 2 * margin)) / width, (100 * (bottom - top + 2 * margin)) / height,
  ].map((number) => number.toFixed(2)).join(" ");
}

// The item enlarged: the whole of its width, and a little of what is around it.
function strip(item) {
  if (!desk.scan) return null;
  const shown = el("div", { class: "strip", "aria-hidden": "true" });
  shown.style.backgroundImage = `url("${desk.scan}")`;
  const draw = () => {
    const [left, top, right, bottom] = boxOf(item);
    const [begin, end] = [Math.max(left - 25, 0), Math.min(right + 45, desk.places.width)];
    const scale = shown.clientWidth / (end - begin);
    const over = item.kind === "comments" ? 4 : 26; // px above and below: tails, and words that overflow
    shown.style.height = `${(bottom - top + 2 * over) * scale}px`;
    shown.style.backgroundSize = `${desk.places.width * scale}px ${desk.places.height * scale}px`;
    shown.style.backgroundPosition = `${-begin * scale}px ${-(top - over) * scale}px`;
  };
  new ResizeObserver(draw).observe(shown);
  shown.redraw = draw;
  return shown;
}

// --- the page -------------------------------------------------------------------------------------

const lines = new Map(); // an item's name -> its element
const seen = () => pages.items(state.page);
const itemOf = (name) => seen().find((item) => item.name === name);

function render() {
  lines.clear();
  const page = state.page;
  const parts = [line({ name: "date", kind: "date" }, "Date", page.page_date_raw ?? "no date", { badges: desk.elsewhere.date.map((text) => el("span", { class: "read" }, text)) })];
  for (const block of page.quadrants) parts.push(section(block));
  parts.push(line({ name: "comments", kind: "comments" }, "Comments", page.comments_raw ?? "none", { verbatim: true }));
  if (page.oddities.length) parts.push(oddities(page.oddities, "Elsewhere on the page"));
  rows.replaceChildren(...parts);
  rove();
  standing();
}

function section(block) {
  const { position } = block;
  const title = desk.blocks[position] ?? position;
  const checked = state.checked.includes(position) || status === "complete";
  const head = line({ name: `block:${position}`, kind: "block", position }, title,
    `${block.hour_raw ?? "no hour"} · ${block.jock_raw ?? "no DJ"}`, { head: true });
  head.append(button(checked ? "✓ Checked" : "Block is checked", () => check(position), {
    class: "check", "aria-pressed": String(checked), "aria-label": `${title} is checked`, "aria-keyshortcuts": "c",
  }));
  const list = el("ol", { class: "lines", "aria-label": `Rows of ${title}` });
  const seenAt = {};
  for (const entry of block.entries) {
    const again = (seenAt[entry.row_index] = (seenAt[entry.row_index] ?? 0) + 1);
    list.append(el("li", {}, rowLine(block, entry, again)));
  }
  const adds = block.entries.length ? null : button("Add a row", () => addRow(position, null), { class: "add" });
  return el("section", { class: checked ? "block checked" : "block", "aria-label": title }, head,
    block.oddities.length ? oddities(block.oddities, `Oddities of ${title}`) : null,
    desk.elsewhere[position] ? oddities(desk.elsewhere[position], `Second readings of ${title}`) : null, list, adds);
}

const oddities = (texts, label) => el("ul", { class: "odd", "aria-label": label }, ...texts.map((text) => el("li", {}, text)));

function rowLine(block, entry, again) {
  const badges = [];
  const changed = pages.isChanged(entry);
  const added = !entry.read && !entry.begun;
  if (entry.confidence !== "high") badges.push(el("span", { class: `badge ${entry.confidence}` }, `${entry.confidence} confidence`));
  if (entry.notes) badges.push(el("span", { class: "badge" }, inWords(entry.notes)));
  if (changed) badges.push(el("span", { class: "badge good" }, "changed"));
  if (added) badges.push(el("span", { class: "badge good" }, "added"));
  if (changed && entry.read.raw_text !== entry.raw_text) badges.push(el("span", { class: "read" }, "read as ", el("q", {}, entry.read.raw_text)));
  if (entry.later && entry.later.raw_text !== entry.raw_text) badges.push(el("span", { class: "read" }, "read later as ", el("q", {}, entry.later.raw_text)));
  for (const text of entry.second ?? []) badges.push(el("span", { class: "read" }, text));
  for (const text of entry.oddities) badges.push(el("span", { class: "read" }, text));
  const made = line({ name: `row:${entry.uid}`, kind: "row", position: block.position, uid: entry.uid },
    String(entry.row_index), entry.raw_text, { type: entry.type_raw ?? "", badges });
  made.id = `${block.position}-${String(entry.row_index).padStart(2, "0")}${again > 1 ? `.${again}` : ""}`;
  if (!changed) made.classList.add(entry.confidence);
  if (entry.notes === "continuation") made.classList.add("continues");
  return made;
}

function line(item, label, text, { type, badges = [], head = false, verbatim = false } = {}) {
  const more = badges.map((badge) => badge.textContent).join(", ");
  const name = item.kind === "row" ? `Row ${label}${type ? `, type ${type}` : ""}: ${text}` : `${label}: ${text}`;
  const opens = el("button", {
    type: "button", class: "open", tabindex: "-1", "aria-label": `${name}${more ? `, ${more}` : ""}. Correct it`,
  }, label);
  opens.addEventListener("focus", () => { current = item.name; rove(); });
  const shown = el("div", { class: `line ${item.kind}`, "data-item": item.name, "data-place": percent(boxOf(item)) },
    opens,
    item.kind === "row" ? el("span", { class: "type" }, type) : null,
    el("span", { class: verbatim ? "what verbatim" : "what" }, el("span", { class: "text" }, text), ...badges));
  if (head) shown.classList.add("head");
  shown.addEventListener("click", (event) => {
    if (!event.target.closest(".check, form")) edit(item.name);
  });
  lines.set(item.name, shown);
  return shown;
}

// One item can be reached by Tab at a time; the arrow keys go to the others.
function rove() {
  if (!lines.has(current)) current = "date";
  for (const [name, shown] of lines) shown.querySelector(".open").tabIndex = name === current ? 0 : -1;
}

function focus(name) {
  current = lines.has(name) ? name : "date";
  rove();
  const target = lines.get(current).querySelector(".open");
  target.focus({ preventScroll: true });
  lines.get(current).scrollIntoView({ block: "nearest" });
}

function beside(name, by, wanted = () => true) {
  const all = seen();
  const here = all.findIndex((item) => item.name === name);
  for (let n = here + by; n >= 0 && n < all.length; n += by) if (wanted(all[n])) return all[n].name;
  return null;
}

const doubtful = (item) => item.kind === "row" && pages.isDoubtful(pages.entryOf(state.page, item.uid)) && !state.checked.includes(item.position);

// --- the fields of one item -----------------------------------------------------------------------

function edit(name) {
  if (open && open.name === name) return;
  if (open && !keepOpen()) return;
  const item = itemOf(name);
  if (!item) return;
  if (desk.opened.problem) { tell("This page cannot be saved"); return; }
  const fields = fieldsOf(item);
  const shown = strip(item);
  const form = el("form", { class: "fields", autocomplete: "off", "aria-label": lines.get(name).querySelector(".open").getAttribute("aria-label").replace(/\. Correct it$/, "") });
  form.append(...[shown, about(item), ...Object.values(fields).map(({ label, field }) => el("label", { class: `of-${field.name}` }, el("span", {}, label), field)), buttons(item, form)].filter(Boolean));
  form.addEventListener("submit", (event) => { event.preventDefault(); next(); });
  form.addEventListener("input", () => { saver.field = { name: placeName(name), values: values() }; saver.keep(); });
  form.addEventListener("keydown", (event) => keysOf(event, item));
  const before = Object.fromEntries(Object.entries(fields).map(([key, { field }]) => [key, field.value]));
  open = { name, item, form, fields, before, strip: shown };
  current = name;
  lines.get(name).classList.add("opened");
  lines.get(name).append(form);
  shown?.redraw();
  const first = Object.values(fields)[0].field;
  first.focus({ preventScroll: true });
  first.setSelectionRange?.(first.value.length, first.value.length);
  lines.get(name).scrollIntoView({ block: "nearest" });
}

// What else is known of a row: how sure the model was, what it read, what it found odd.
function about(item) {
  const badges = lines.get(item.name).querySelectorAll(".what > .badge, .what > .read");
  return badges.length ? el("p", { class: "about" }, ...[...badges].map((badge) => badge.cloneNode(true))) : null;
}

// An item's name that a later load understands: rows are numbered anew there.
function placeName(name) {
  const item = itemOf(name);
  return item.kind === "row" ? { kind: "row", position: item.position, id: lines.get(name).id, begun: Boolean(pages.entryOf(state.page, item.uid).begun) } : { kind: item.kind, position: item.position };
}

function fieldsOf(item) {
  const page = state.page;
  const text = (label, name, value, more = {}) => {
    const field = el("input", { type: "text", name, spellcheck: "false", autocapitalize: "off", autocorrect: "off", ...more });
    field.value = value ?? "";
    return { label, field };
  };
  if (item.kind === "date") return { page_date_raw: text("Date as written", "date", page.page_date_raw) };
  if (item.kind === "comments") {
    const field = el("textarea", { name: "comments", rows: "3", spellcheck: "false" });
    field.value = page.comments_raw ?? "";
    return { comments_raw: { label: "Comments as written (Shift Enter: a new line)", field } };
  }
  if (item.kind === "block") {
    const block = pages.blockAt(page, item.position);
    return { hour_raw: text("Hour", "hour", block.hour_raw), jock_raw: text("DJ", "dj", block.jock_raw) };
  }
  const entry = pages.entryOf(page, item.uid);
  const notes = el("select", { name: "note" }, el("option", { value: "" }, "none"),
    ...[...NOTES, ...(entry.notes && !NOTES.includes(entry.notes) ? [entry.notes] : [])].map((note) => el("option", { value: note }, inWords(note))));
  notes.value = entry.notes ?? "";
  const number = el("input", { type: "number", name: "row", min: "0", max: "999", step: "1", inputmode: "numeric" });
  number.value = entry.row_index;
  return {
    raw_text: text("As written", "text", entry.raw_text),
    type_raw: text("Type", "type", entry.type_raw, { list: "types" }),
    notes: { label: "Note", field: notes },
    row_index: { label: "Printed row", field: number },
  };
}

function buttons(item, form) {
  const group = el("div", { class: "buttons" }, el("button", { type: "submit", class: "main" }, "Save, next"), button("Drop", drop, { "aria-label": "Drop the change", title: "Esc" }));
  if (item.kind === "row") {
    const entry = pages.entryOf(state.page, item.uid);
    group.append(
      button("Add", () => { if (keepOpen()) addRow(item.position, item.uid); }, { class: "more", "aria-label": "Add a row below", title: "Add a row below" }),
      button("Delete", () => removeRow(item.uid), { "aria-label": "Delete the row" }),
      button("↑", () => moveRow(item.uid, -1), { "aria-label": "Move the row up", title: "Alt ↑" }),
      button("↓", () => moveRow(item.uid, 1), { "aria-label": "Move the row down", title: "Alt ↓" }),
    );
    if (pages.isChanged(entry)) group.append(button("As it was read", () => asRead(item.uid)));
  } else if (item.kind === "block") group.append(button("Add", () => { if (keepOpen()) addRow(item.position, null); }, { class: "more", "aria-label": "Add a row below", title: "Add a row below" }));
  return group;
}

const values = () => Object.fromEntries(Object.entries(open.fields).map(([key, { field }]) => [key, field.value]));

// What is typed becomes the page's, if it differs; whether the fields could be closed.
function keepOpen() {
  if (!open) return true;
  if (!open.form.reportValidity()) return false;
  const { item, before } = open;
  const now = values();
  const changed = Object.keys(now).filter((key) => now[key] !== before[key]);
  const entry = item.kind === "row" ? pages.entryOf(state.page, item.uid) : null;
  const emptied = entry && !now.raw_text.trim() && (entry.begun || changed.includes("raw_text")) && now.notes !== "illegible";
  close();
  if (emptied) {
    if (entry.begun) { state = history.drop(); render(); return true; }
    note(() => pages.remove(state.page, item.uid));
    tell(`Row ${entry.row_index} deleted`);
  } else if (changed.length || entry?.begun) apply(item, now, changed);
  return true;
}

function apply(item, now, changed) {
  const change = () => {
    const page = state.page;
    const target = { date: page, comments: page, block: pages.blockAt(page, item.position), row: pages.entryOf(page, item.uid) }[item.kind];
    for (const key of changed) if (key !== "row_index") target[key] = now[key] === "" && key !== "raw_text" ? null : now[key];
    if (changed.includes("row_index") && now.row_index !== "") pages.place(page, item.uid, Number(now.row_index));
    delete target.begun;
  };
  if (item.uid && pages.entryOf(state.page, item.uid).begun) { change(); changedNow(); } // noted as it was begun
  else note(change);
}

// A change that can be taken back, shown and saved.
function note(change) {
  history.note(state);
  change();
  changedNow();
}

function changedNow(mark = null) {
  render();
  return saver.push(mark);
}

function close() {
  if (!open) return;
  lines.get(open.name)?.classList.remove("opened");
  open.form.remove();
  open = null;
  saver.field = null;
  saver.keep();
}

function drop() {
  const { name, item } = open;
  close();
  if (item.kind === "row" && pages.entryOf(state.page, item.uid).begun) {
    const above = beside(name, -1);
    state = history.drop();
    render();
    focus(above);
  } else focus(name);
  tell("Dropped");
}

// Save the item and go on with the next one.
function next(by = 1) {
  const { name } = open;
  const then = beside(name, by);
  if (!keepOpen()) return;
  if (then && lines.has(then)) edit(then);
  else if (by > 0) done().focus();
  else focus(name);
}

function done() { return by("done"); }

// --- rows -----------------------------------------------------------------------------------------

function addRow(position, uid) {
  if (desk.opened.problem) return;
  history.note(state);
  const made = pages.add(state.page, position, uid);
  render();
  edit(`row:${made}`);
  tell("A new row");
}

function removeRow(uid) {
  const entry = pages.entryOf(state.page, uid);
  const name = `row:${uid}`;
  const after = beside(name, 1) ?? beside(name, -1);
  if (entry.begun) { drop(); return; }
  close();
  note(() => pages.remove(state.page, uid));
  focus(after);
  tell(`Row ${entry.row_index} deleted. Undo brings it back`);
}

function moveRow(uid, by) {
  if (open && !keepOpen()) return;
  if (!pages.entryOf(state.page, uid)) return;
  const was = structuredClone(state);
  if (!pages.move(state.page, uid, by)) return;
  history.past.push(was);
  history.future = [];
  changedNow();
  focus(`row:${uid}`);
  tell(`Now printed row ${pages.entryOf(state.page, uid).row_index}`);
}

function asRead(uid) {
  close();
  note(() => {
    const entry = pages.entryOf(state.page, uid);
    const { raw_text, type_raw, notes, row_index } = entry.read;
    Object.assign(entry, { raw_text, type_raw, notes });
    pages.place(state.page, uid, row_index);
  });
  focus(`row:${uid}`);
}

function check(position) {
  if (open && !keepOpen()) return;
  if (status === "complete") { tell("The whole page is checked"); return; }
  const was = state.checked.includes(position);
  note(() => {
    state.checked = was ? state.checked.filter((one) => one !== position) : [...state.checked, position];
  });
  const title = desk.blocks[position];
  tell(was ? `${title} is not checked any more` : `${title} is checked`);
  const after = pages.POSITIONS[pages.POSITIONS.indexOf(position) + 1];
  if (was) focus(`block:${position}`);
  else if (after) focus(`block:${after}`);
  else done().focus();
}

async function checkPage() {
  if (open && !keepOpen()) return;
  if (desk.opened.problem) return;
  leaving = true;
  await changedNow("complete");
  if (saver.dirty || theirs) leaving = false;
}

function reopen() {
  changedNow("draft");
}

function travel(step, said) {
  if (open && !keepOpen()) return; // what is typed is the first thing to be taken back
  const then = history[step](state);
  if (!then) { tell(`Nothing to ${step}`); return; }
  state = then;
  changedNow();
  focus(current);
  tell(said);
}
const undo = () => travel("undo", "Undone");
const redo = () => travel("redo", "Done again");

// --- what became of a save ------------------------------------------------------------------------

let leaving = false; // to the next page, once this one has arrived

function heard(event) {
  const trouble = by("trouble");
  const say = (text, ...more) => {
    trouble.replaceChildren(text, ...more);
    trouble.hidden = !text;
    requestAnimationFrame(measureBar);
  };
  if (event.kind === "saving") { by("saved").textContent = "Saving…"; return; }
  if (event.kind === "saved") {
    status = event.said.status;
    say(event.said.note ?? "");
    by("saved").textContent = `Saved ${new Date().toLocaleTimeString([], { timeStyle: "short" })}`;
    desk.next = event.said.next;
    standing(event.said);
    if (event.mark === "complete" && leaving) { location.href = desk.next ?? "/check"; return; }
    if (event.mark) render();
    return;
  }
  by("saved").textContent = "Not saved";
  if (event.kind === "unkept") { say("This browser keeps no text; do not close the window before it is saved."); return; }
  const retry = button("Try again", () => saver.send());
  if (event.kind === "unreachable") {
    say("The server cannot be reached. Your text is kept in this browser, and sent when it is back. ", retry);
  } else if (event.kind === "stale") choose(saver.base, event.said.opened, event.said.error);
  else if (event.status === 403) say(`${event.said.error}. Your text is kept in this browser. `, button("Load the page again", () => location.reload()));
  else say(`${event.said.error} Your text is kept in this browser. `, retry);
}

function standing(said = desk.opened) {
  const who = said.by ? ` by ${said.by}${said.at ? `, ${said.at.slice(0, 10)}` : ""}` : "";
  const words = { complete: `Checked${who}.`, draft: `Draft${who}.` };
  Object.assign(desk.opened, { by: said.by, at: said.at });
  by("standing").textContent = `${words[status] ?? "Nobody has checked this page yet."}${desk.opened.newer ? " A newer reading of this page exists; your text stays." : ""}`;
  by("undo").disabled = !history.past.length;
  by("redo").disabled = !history.future.length;
  by("reopen").hidden = status !== "complete";
  done().textContent = status === "complete" ? "Checked; next page" : "Page is checked";
}

// --- two texts ------------------------------------------------------------------------------------

// Another text is on disk. Both are shown; what is taken is up to the person.
function choose(base, opened, said) {
  if (open) keepOpen();
  leaving = false;
  theirs = pages.opened(opened);
  const found = pages.differences(state.page, theirs.page, base);
  const picks = found.map((difference, number) => pick(difference, number, opened.by ?? "the other person"));
  const table = el("table", {}, el("thead", {}, el("tr", {}, ...["Where", "Yours", opened.by ?? "Theirs"].map((text) => el("th", { scope: "col" }, text)))),
    el("tbody", {}, ...picks));
  const panel = el("section", { class: "offer", "aria-label": "Two texts of this page", tabindex: "-1" }, el("p", {}, el("strong", {}, said), found.length ? " Choose which text is saved." : " Both texts are the same."),
    found.length ? table : null,
    el("div", { class: "buttons" }, button("Save this choice", () => {
      const mine = found.filter((_, number) => panel.querySelector(`[name=pick${number}][value=mine]`).checked);
      take(opened, pages.merged(state.page, theirs.page, mine.map(({ key }) => key)));
      saver.push();
    }, { class: "main" }), button("Drop all of mine", () => { take(opened, theirs.page); saver.dirty = false; saver.mark = null; saver.keep(); })));
  by("trouble").hidden = true;
  by("offer").replaceChildren(panel);
  panel.focus();
}

function pick({ key, mine, theirs: other, useMine }, number, who) {
  const where = key.replace(/^(\w+) (\w+)( 1)?/, (_, position, row) => `${desk.blocks[position] ?? position} ${row === "head" ? "hour, DJ" : `row ${row}`}`);
  const radio = (value, text, chosen) => el("label", {}, el("input", { type: "radio", name: `pick${number}`, value, checked: chosen }), el("span", {}, text || "(nothing)"), el("span", { class: "unseen" }, value === "mine" ? " yours" : ` ${who}`));
  return el("tr", {}, el("th", { scope: "row" }, where), el("td", {}, radio("mine", mine, useMine)), el("td", {}, radio("theirs", other, !useMine)));
}

function take(opened, page) {
  const checked = [...new Set([...state.checked, ...opened.checked])];
  state = { page, checked };
  status = opened.status;
  saver.version = opened.version;
  saver.base = opened.page;
  theirs = null;
  history.clear();
  Object.assign(desk.opened, opened);
  by("offer").replaceChildren();
  render();
  focus(current);
}

// --- text that was not saved before ---------------------------------------------------------------

function offer() {
  for (const [key, kept] of saver.offered()) {
    const page = structuredClone(kept.page);
    const mine = pages.opened({ page, checked: kept.checked });
    if (kept.field) typed(mine.page, kept.field);
    const found = pages.differences(mine.page, state.page, state.page);
    if (!found.length && !kept.mark) { saver.drop(key); continue; }
    const at = new Date(kept.at).toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
    const panel = el("section", { class: "offer", "aria-label": "Text that was not saved", tabindex: "-1" },
      el("p", {}, el("strong", {}, `Your text of ${at} was not saved.`), " It was kept in this browser."),
      el("ul", {}, ...found.slice(0, 12).map(({ mine, theirs }) => el("li", {}, el("q", {}, mine || "(nothing)"), theirs ? " instead of " : " is new", theirs ? el("q", {}, theirs) : null))),
      found.length > 12 ? el("p", {}, `and ${found.length - 12} more`) : null,
      el("div", { class: "buttons" },
        button("Use it", () => {
          saver.drop(key);
          by("offer").replaceChildren();
          const now = { page: desk.opened.page, version: desk.opened.version };
          state = { page: withRead(mine.page, state.page), checked: mine.checked };
          render();
          if (kept.version === now.version) { saver.push(kept.mark); focus(current); }
          else choose(kept.base, desk.opened, "This page was saved by somebody after that.");
        }, { class: "main" }),
        button("Drop it", () => { saver.drop(key); by("offer").replaceChildren(); focus(current); })));
    by("offer").replaceChildren(panel);
    panel.querySelector("button").focus();
    return true;
  }
  return false;
}

// What the model read beside each row, by printed row, since a kept text is without it.
function withRead(page, from) {
  const known = pages.parts(from);
  for (const [key, [, value]] of pages.parts(page)) {
    const entry = known.get(key)?.[1];
    if (value && typeof value === "object" && !Array.isArray(value)) Object.assign(value, { read: entry?.read ?? null, later: entry?.later ?? null });
  }
  return page;
}

// The field that was being typed into when the window went away.
function typed(page, { name, values }) {
  const target = name.kind === "row" ? rowAt(page, name) : name.kind === "block" ? pages.blockAt(page, name.position) : page;
  if (!target) return;
  for (const [key, value] of Object.entries(values)) {
    if (key === "row_index") target.row_index = Number(value);
    else if ((target[key] ?? "") !== value) target[key] = value === "" && key !== "raw_text" ? null : value;
  }
}

function rowAt(page, { position, id, begun }) {
  const block = pages.blockAt(page, position);
  if (begun) {
    const entry = { row_index: 0, raw_text: "", type_raw: null, confidence: "high", notes: null, oddities: [] };
    block.entries.push(entry);
    return entry;
  }
  const [row, again] = id.slice(position.length + 1).split(".");
  return block.entries.filter((entry) => entry.row_index === Number(row))[Number(again ?? 1) - 1];
}

// --- keys -----------------------------------------------------------------------------------------

// Inside the fields.
function keysOf(event, item) {
  if (event.isComposing) return;
  const { key, target } = event;
  const ctrl = event.ctrlKey || event.metaKey;
  if (key === "Escape") { event.preventDefault(); event.stopPropagation(); drop(); return; }
  if (key === "Enter" && ctrl) { event.preventDefault(); event.stopPropagation(); checkPage(); return; }
  if (event.altKey && item.kind === "row" && (key === "ArrowUp" || key === "ArrowDown")) {
    event.preventDefault();
    event.stopPropagation();
    moveRow(item.uid, key === "ArrowUp" ? -1 : 1);
    edit(item.name);
    return;
  }
  if (key === "Enter" && target.tagName === "SELECT") { event.preventDefault(); next(); return; }
  if (key === "Enter" && target.tagName === "TEXTAREA" && !event.shiftKey) { event.preventDefault(); next(); return; }
  if ((key === "ArrowUp" || key === "ArrowDown") && target.type === "text" && !target.list) { event.preventDefault(); next(key === "ArrowUp" ? -1 : 1); }
}

document.addEventListener("keydown", (event) => {
  const { key } = event;
  const ctrl = event.ctrlKey || event.metaKey;
  const target = event.target;
  if (event.defaultPrevented || target.closest("form, input, select, textarea")) return;
  const does = ctrl ? { Enter: checkPage, z: event.shiftKey ? redo : undo, Z: redo, y: redo }[key] : plainKey(event);
  if (!does) return;
  event.preventDefault();
  does();
});

// A link leads away: what is typed is saved first.
document.addEventListener("click", (event) => {
  if (open && event.target.closest("a[href]")) keepOpen();
}, { capture: true });

function plainKey({ key, altKey, target }) {
  const item = itemOf(current);
  const onRow = item?.kind === "row" && (target.closest("#rows") || target === document.body);
  if (altKey) return onRow && { ArrowUp: () => moveRow(item.uid, -1), ArrowDown: () => moveRow(item.uid, 1) }[key];
  if (target.closest(".offer, .pane")) return null;
  const go = (name) => () => (name ? focus(name) : tell("There is no other"));
  switch (key) {
    case "ArrowDown": return go(beside(current, 1) ?? current);
    case "ArrowUp": return go(beside(current, -1) ?? current);
    case "Home": return go("date");
    case "End": return go("comments");
    case "n": return go(beside(current, 1, doubtful));
    case "p": return go(beside(current, -1, doubtful));
    case "c": return item?.position ? () => check(item.position) : null;
    case "u": return undo;
    case "a": return item?.position ? () => addRow(item.position, item.uid ?? null) : null;
    case "Delete": return onRow ? () => removeRow(item.uid) : null;
    case "Enter": return target === document.body ? () => edit(current) : null; // a button's own click
    default: return null;
  }
}

// --- begin ----------------------------------------------------------------------------------------

document.body.append(el("datalist", { id: "types" }, ...TYPES.map((value) => el("option", { value }))));
by("undo").addEventListener("click", undo);
by("redo").addEventListener("click", redo);
by("reopen").addEventListener("click", reopen);
done().addEventListener("click", checkPage);
done().disabled = Boolean(desk.opened.problem);
document.querySelector("details.keys").open = matchMedia("(min-width: 1100px)").matches;
// What is scrolled to is not behind the bar, however high it is.
function measureBar() {
  rows.style.setProperty("--bar", `${document.querySelector(".bar").offsetHeight}px`);
  if (open) lines.get(open.name).scrollIntoView({ block: "nearest" });
}
new ResizeObserver(measureBar).observe(document.querySelector(".bar"));
render();
const asked = document.getElementById(decodeURIComponent(location.hash.slice(1)))?.dataset.item;
current = asked ?? seen().find(doubtful)?.name ?? seen().find((item) => item.kind === "row")?.name ?? "date";
rove();
if (!offer()) focus(current);
// Chromium takes the focus away where the address names a row, and sheet.js hides the place.
addEventListener("load", () => {
  if (open || by("offer").children.length) return;
  document.activeElement?.blur();
  focus(current);
});
