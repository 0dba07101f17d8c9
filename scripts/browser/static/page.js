// A page's text in the browser: its rows, what can be done with them, and undo. No DOM here.

export const POSITIONS = ["top_left", "top_right", "bottom_left", "bottom_right"];
export const ROWS = 21; // of a block of the form
const LAST_ROW = 999;

let uids = 0;

// What the server sent, with a name for each row that lasts as long as this window.
export function opened(shown) {
  const page = structuredClone(shown.page);
  for (const entry of entriesOf(page)) entry.uid = ++uids;
  return { page, checked: [...shown.checked] };
}

export const entriesOf = (page) => page.quadrants.flatMap((block) => block.entries);
export const blockOf = (page, uid) => page.quadrants.find((b) => b.entries.some((e) => e.uid === uid));
export const blockAt = (page, position) => page.quadrants.find((b) => b.position === position);
export const entryOf = (page, uid) => entriesOf(page).find((entry) => entry.uid === uid);

// The page as it is saved: without what only this window knows, and without a row just begun.
export function plain(page) {
  const { page_date_raw, comments_raw, oddities, quadrants } = page;
  return {
    page_date_raw, comments_raw, oddities,
    quadrants: quadrants.map(({ position, hour_raw, jock_raw, oddities, entries }) => ({
      position, hour_raw, jock_raw, oddities,
      entries: entries.filter((entry) => !entry.begun).map((entry) => ({
        row_index: entry.row_index, raw_text: entry.raw_text, type_raw: entry.type_raw,
        confidence: entry.confidence, notes: entry.notes, oddities: entry.oddities,
      })),
    })),
  };
}

// The names of what a person goes through, in order: date, a block's head and its rows, comments.
export function items(page) {
  const blocks = page.quadrants.flatMap((block) => [
    { name: `block:${block.position}`, kind: "block", position: block.position },
    ...block.entries.map((entry) => (
      { name: `row:${entry.uid}`, kind: "row", position: block.position, uid: entry.uid })),
  ]);
  return [{ name: "date", kind: "date" }, ...blocks, { name: "comments", kind: "comments" }];
}

export const isDoubtful = (entry) => !isChanged(entry) && (
  entry.confidence !== "high" || entry.oddities.length > 0 || Boolean(entry.second) || ["illegible", "other", "crossed_out"].includes(entry.notes));

export const isChanged = (entry) =>
  Boolean(entry.read) && ["row_index", "raw_text", "type_raw", "notes"].some((name) => entry.read[name] !== entry[name]);

const sort = (block) => block.entries.sort((one, other) => one.row_index - other.row_index);

// A new row below the one of that name, or at the top of the block: on the next printed row, whose
// rows make room where there is some.
export function add(page, position, uid) {
  const block = blockAt(page, position);
  const above = block.entries.find((entry) => entry.uid === uid);
  const wanted = above ? above.row_index + 1 : 0;
  const taken = new Set(block.entries.map((entry) => entry.row_index));
  let free = wanted;
  while (taken.has(free)) free += 1;
  let row_index = wanted;
  if (free < ROWS || !above) {
    for (const entry of block.entries) if (entry.row_index >= wanted && entry.row_index < free) entry.row_index += 1;
  } else row_index = above.row_index; // no room: two texts on one printed row
  const entry = {
    uid: ++uids, row_index, raw_text: "", type_raw: null, confidence: "high", notes: null,
    oddities: [], read: null, later: null, begun: true,
  };
  const place = above ? block.entries.indexOf(above) + 1 : 0;
  block.entries.splice(place, 0, entry);
  sort(block);
  return entry.uid;
}

export function remove(page, uid) {
  const block = blockOf(page, uid);
  block.entries = block.entries.filter((entry) => entry.uid !== uid);
}

// A row one printed row up or down; where another row is, the two change places.
export function move(page, uid, by) {
  const block = blockOf(page, uid);
  const entry = entryOf(page, uid);
  const wanted = entry.row_index + by;
  const here = block.entries.indexOf(entry);
  const beside = block.entries[here + by];
  if (beside && Math.abs(beside.row_index - entry.row_index) <= 1) {
    [entry.row_index, beside.row_index] = [beside.row_index, entry.row_index];
    block.entries[here] = beside;
    block.entries[here + by] = entry;
  } else if (wanted >= 0 && wanted <= LAST_ROW) entry.row_index = wanted;
  else return false;
  sort(block);
  return true;
}

export function place(page, uid, row_index, position) {
  const block = blockOf(page, uid);
  const entry = entryOf(page, uid);
  entry.row_index = row_index;
  if (position && position !== block.position) {
    remove(page, uid);
    blockAt(page, position).entries.push(entry);
    sort(blockAt(page, position));
  }
  sort(block);
}

// What a person did, to be taken back.
export class History {
  constructor() { this.clear(); }
  clear() { this.past = []; this.future = []; }
  note(state) { this.past.push(structuredClone(state)); this.future = []; }
  drop() { return this.past.pop(); } // as if it had not been begun
  undo(state) { return this._step(this.past, this.future, state); }
  redo(state) { return this._step(this.future, this.past, state); }
  _step(from, to, state) {
    if (!from.length) return null;
    to.push(structuredClone(state));
    return from.pop();
  }
}

// --- two texts of one page ----------------------------------------------------------------------

// Each place of a page and what is there: [label, value]; a printed row may hold several texts.
export function parts(page) {
  const found = new Map([["date", ["Date", page.page_date_raw]], ["comments", ["Comments", page.comments_raw]]]);
  for (const block of page.quadrants) {
    found.set(`${block.position} head`, [block.position, [block.hour_raw, block.jock_raw]]);
    const seen = {};
    for (const entry of block.entries) {
      if (entry.begun) continue;
      const again = (seen[entry.row_index] = (seen[entry.row_index] ?? 0) + 1);
      found.set(`${block.position} ${entry.row_index} ${again}`, [block.position, entry]);
    }
  }
  return found;
}

const told = (part) => {
  if (!part) return "";
  const value = part[1];
  if (value === null) return "";
  if (Array.isArray(value)) return value.map((text) => text ?? "").join(" · ");
  if (typeof value === "string") return value;
  return [value.raw_text, value.type_raw && `(${value.type_raw})`, value.notes].filter(Boolean).join(" ");
};

// Where two texts differ: key, both in words, and which of them changed it since `base`.
export function differences(mine, theirs, base) {
  const [one, other, before] = [mine, theirs, base ?? theirs].map(parts);
  return [...new Set([...one.keys(), ...other.keys()])]
    .map((key) => ({ key, mine: told(one.get(key)), theirs: told(other.get(key)), before: told(before.get(key)) }))
    .filter((difference) => difference.mine !== difference.theirs)
    .map((difference) => ({ ...difference, useMine: difference.theirs === difference.before }));
}

// Their page with those of my parts that are wanted.
export function merged(mine, theirs, keys) {
  const page = structuredClone(theirs);
  const own = parts(mine);
  const there = parts(page);
  for (const key of keys) {
    const part = own.get(key)?.[1];
    if (key === "date") page.page_date_raw = part;
    else if (key === "comments") page.comments_raw = part;
    else if (key.endsWith(" head")) [blockAt(page, key.split(" ")[0]).hour_raw, blockAt(page, key.split(" ")[0]).jock_raw] = part;
    else {
      const block = blockAt(page, key.split(" ")[0]);
      const old = there.get(key)?.[1];
      block.entries = block.entries.filter((entry) => entry !== old);
      if (part) block.entries.push({ ...structuredClone(part), uid: ++uids });
      sort(block);
    }
  }
  return page;
}
