// A page: zoom and pan of the scan, the place of the row that is pointed at, arrow keys.
"use strict";

const pane = document.querySelector(".pane");
const paper = document.querySelector(".paper");
const frame = document.querySelector(".place");
const LARGEST = 6; // times the pane's width; a pixel of the scan is a pixel of the screen well before
const STEP = 1.25;
const still = matchMedia("(prefers-reduced-motion: reduce)");

let zoom = 1; // the paper's width as a multiple of the pane's
let chosen = null; // the row that was clicked, or that the address names
let pointed = null; // the row under the pointer or the focus

// The point (x, y) of the pane, its middle by default, stays where it is.
function zoomTo(wanted, x = pane.clientWidth / 2, y = pane.clientHeight / 2) {
  const whole = pane.clientHeight / (paper.offsetHeight / zoom);
  const across = (pane.scrollLeft + x) / paper.offsetWidth;
  const down = (pane.scrollTop + y) / paper.offsetHeight;
  zoom = Math.min(Math.max(wanted, Math.min(1, whole)), LARGEST);
  paper.style.width = `${zoom * 100}%`;
  pane.scrollLeft = across * paper.offsetWidth - x;
  pane.scrollTop = down * paper.offsetHeight - y;
}

const zooms = { in: () => zoomTo(zoom * STEP), out: () => zoomTo(zoom / STEP), fit: () => zoomTo(1) };

function show(row) {
  document.querySelectorAll(".pointed").forEach((other) => other.classList.remove("pointed"));
  // A row lights up with the rows that continue it: one text, and one place on the scan.
  const whole = row && row.dataset.whole ? `[data-whole="${CSS.escape(row.dataset.whole)}"]` : null;
  if (row) (whole ? document.querySelectorAll(whole) : [row]).forEach((one) => one.classList.add("pointed"));
  if (!frame) return;
  frame.hidden = !row;
  if (!row) return;
  const [left, top, width, height] = row.dataset.place.split(" ");
  Object.assign(frame.style, {
    left: `${left}%`, top: `${top}%`, width: `${width}%`, height: `${height}%`,
  });
}

// Scrolls the scan so that the frame is in its middle; unless `always`, only if it is out of sight.
function bring(always) {
  if (!pane || frame.hidden) return;
  const seen =
    frame.offsetTop >= pane.scrollTop &&
    frame.offsetTop + frame.offsetHeight <= pane.scrollTop + pane.clientHeight &&
    frame.offsetLeft + frame.offsetWidth / 4 >= pane.scrollLeft &&
    frame.offsetLeft + frame.offsetWidth / 4 <= pane.scrollLeft + pane.clientWidth;
  if (seen && !always) return;
  pane.scrollTo({
    left: frame.offsetLeft - (pane.clientWidth - frame.offsetWidth) / 2,
    top: frame.offsetTop - (pane.clientHeight - frame.offsetHeight) / 2,
    behavior: still.matches ? "auto" : "smooth",
  });
}

function point(row) {
  if (row === pointed) return;
  pointed = row;
  show(pointed || chosen);
  if (pointed) bring(false);
}

function choose(row) {
  chosen = row;
  show(row);
  if (row) bring(true);
}

const rowOf = (target) => target.closest("[data-place]");

document.addEventListener("pointerover", (event) => {
  if (event.pointerType === "mouse") point(rowOf(event.target));
});
document.addEventListener("focusin", (event) => point(rowOf(event.target)));
document.addEventListener("focusout", () => point(null));
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-zoom]");
  if (button && pane) zooms[button.dataset.zoom]();
  const row = rowOf(event.target);
  if (!row) return;
  if (row.id) history.replaceState(null, "", `#${encodeURIComponent(row.id)}`);
  if (event.target.closest("a")) event.preventDefault();
  choose(row);
});

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest("input, select, textarea")) return;
  if (event.shiftKey && event.key.startsWith("Arrow")) return; // it marks text
  const panning = event.target === pane && pane.scrollWidth > pane.clientWidth;
  const turn = { ArrowLeft: "prev", ArrowRight: "next" }[event.key];
  if (turn && !panning) {
    const link = document.querySelector(`a[rel=${turn}]`);
    if (link) location.href = link.href;
  }
  const how = { "+": "in", "=": "in", "-": "out", "0": "fit" }[event.key];
  if (how && pane) zooms[how]();
});

if (pane) {
  pane.addEventListener("wheel", (event) => {
    event.preventDefault();
    const box = pane.getBoundingClientRect();
    const much = Math.min(Math.max(event.deltaY, -100), 100); // a notch of a wheel, at the most
    zoomTo(zoom * Math.exp(-much / 400), event.clientX - box.left, event.clientY - box.top);
  }, { passive: false });

  // A mouse drags the paper; a finger scrolls by itself.
  pane.addEventListener("pointerdown", (event) => {
    if (event.pointerType !== "mouse" || event.button !== 0) return;
    const from = { x: event.clientX, y: event.clientY, left: pane.scrollLeft, top: pane.scrollTop };
    pane.setPointerCapture(event.pointerId);
    pane.classList.add("dragged");
    const drag = (moved) => {
      pane.scrollLeft = from.left - (moved.clientX - from.x);
      pane.scrollTop = from.top - (moved.clientY - from.y);
    };
    pane.addEventListener("pointermove", drag);
    pane.addEventListener("lostpointercapture", () => {
      pane.removeEventListener("pointermove", drag);
      pane.classList.remove("dragged");
    }, { once: true });
  });

  // Two fingers zoom.
  let apart = 0; // their distance when last seen, in pixels
  const spread = ([one, other]) => Math.hypot(one.clientX - other.clientX, one.clientY - other.clientY);
  pane.addEventListener("touchstart", (event) => {
    if (event.touches.length === 2) apart = spread(event.touches);
  }, { passive: true });
  pane.addEventListener("touchmove", (event) => {
    if (event.touches.length !== 2) return;
    event.preventDefault();
    const [one, other] = event.touches;
    const box = pane.getBoundingClientRect();
    const now = spread(event.touches);
    zoomTo(
      zoom * (now / apart),
      (one.clientX + other.clientX) / 2 - box.left,
      (one.clientY + other.clientY) / 2 - box.top,
    );
    apart = now;
  }, { passive: false });
}

function follow() {
  const row = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  choose(row && row.dataset.place ? row : null);
}
addEventListener("hashchange", follow);
addEventListener("load", follow);
