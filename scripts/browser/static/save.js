// A page's way to the server, and what is kept in this browser until it has arrived.
import { plain } from "./page.js";

const AGAIN_MS = 4000; // between two tries while the server cannot be reached
const PATIENCE_MS = 20000;
const OUTLIVES = 20_000; // letters of a body that Chromium sends although its page is left: 64 kB

const asText = (page) => JSON.stringify(plain(page));

export class Saver {
  // `content()` gives what is to be saved, `heard(event)` learns what became of it.
  constructor(desk, content, heard) {
    Object.assign(this, { desk, content, heard });
    this.window = crypto.randomUUID(); // of this load: a window that was duplicated is another one
    this.version = desk.opened.version;
    this.base = desk.opened.page; // what was last on disk
    this.unheard = []; // pages that were sent, and whose responses were lost
    this.mark = null; // complete or draft, once a person says so
    this.dirty = false; // something has not arrived
    this.busy = false;
    this.timer = null;
    this.field = null; // what is being typed: { name, values }
    addEventListener("online", () => this.again());
  }

  // Something changed: it is kept here at once, and sent.
  push(mark = null) {
    this.mark = mark ?? this.mark;
    this.dirty = true;
    this.keep();
    return this.send();
  }

  again() { if (this.dirty && !this.busy) this.send(); }

  async send() {
    if (this.busy) return this.running;
    this.busy = true;
    clearTimeout(this.timer);
    this.running = this.run();
    await this.running;
  }

  async run() {
    try {
      while (this.dirty) {
        this.dirty = false;
        this.heard({ kind: "saving" });
        if (!(await this.post())) { this.dirty = true; break; }
      }
    } finally { this.busy = false; }
    this.keep();
  }

  // Whether it arrived.
  async post() {
    const content = this.content();
    const mark = this.mark;
    const body = JSON.stringify({ version: this.version, ...content, mark });
    let response, said;
    try {
      response = await fetch(this.desk.url, {
        method: "POST", body, cache: "no-store", keepalive: body.length < OUTLIVES, signal: AbortSignal.timeout(PATIENCE_MS),
        headers: { "content-type": "application/json", "x-flowsheets-token": this.desk.token },
      });
      said = await response.json();
    } catch {
      this.unheard.push(asText(content.page));
      this.timer = setTimeout(() => this.again(), AGAIN_MS);
      this.heard({ kind: "unreachable" });
      return false;
    }
    if (response.status === 409 && this.unheard.includes(asText(said.opened.page))) {
      this.unheard = []; // it had arrived: this window's own text is no other person's
      this.version = said.opened.version;
      this.base = said.opened.page;
      return this.post();
    }
    if (response.ok) {
      this.unheard = [];
      if (this.mark === mark) this.mark = null;
      this.version = said.version;
      this.base = content.page;
      this.heard({ kind: "saved", said, mark });
      return true;
    }
    if (response.status === 409) this.heard({ kind: "stale", said });
    else this.heard({ kind: "refused", said, status: response.status });
    return false;
  }

  // --- kept in this browser ---------------------------------------------------------------------

  get prefix() { return `flowsheets ${this.desk.store} `; }

  keep() {
    try {
      if (!this.dirty && !this.busy && !this.field) { localStorage.removeItem(this.prefix + this.window); return; }
      const { page, checked } = this.content();
      const kept = { at: Date.now(), version: this.version, base: this.base, page, checked, mark: this.mark, field: this.field };
      localStorage.setItem(this.prefix + this.window, JSON.stringify(kept));
    } catch { this.heard({ kind: "unkept" }); }
  }

  // What earlier windows could not save, the latest first: [key, kept].
  offered() {
    const found = [];
    try {
      for (let n = 0; n < localStorage.length; n += 1) {
        const key = localStorage.key(n);
        if (!key.startsWith(this.prefix)) continue;
        const kept = JSON.parse(localStorage.getItem(key));
        if (kept && kept.page) found.push([key, kept]);
      }
    } catch { /* nothing that can be used */ }
    return found.sort((one, other) => other[1].at - one[1].at);
  }

  drop(key) { try { localStorage.removeItem(key); } catch { /* it is offered again */ } }
}
