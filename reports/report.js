/* Routes, filters, keys. The address behind # says what is shown: #/, #/cell/ROW/COLUMN, #/case/ADDRESS. */

const $ = (id) => document.getElementById(id);
const INDEX = JSON.parse($("index").textContent);
const numbers = new Map(INDEX.cases.map(([address], number) => [address, number]));
let opened = null;
let came = null;

function announce(text) {
  $("status").textContent = text;
}

/* --- colours ------------------------------------------------------------------------------------------------------ */

const prefersDark = matchMedia("(prefers-color-scheme: dark)");
let chosen = null;
try {
  chosen = localStorage.getItem("ringproof-theme");
} catch {
  // a page from disk may have no storage
}

function isDark() {
  return chosen ? chosen === "dark" : prefersDark.matches;
}

function paint() {
  if (chosen) document.documentElement.dataset.theme = chosen;
  $("theme").setAttribute("aria-pressed", String(isDark()));
}

prefersDark.addEventListener("change", paint);
$("theme").addEventListener("click", () => {
  chosen = isDark() ? "light" : "dark";
  try {
    localStorage.setItem("ringproof-theme", chosen);
  } catch {
    // then for this page only
  }
  paint();
});
paint();

/* --- what is packed ----------------------------------------------------------------------------------------------- */

async function unpacked(text) {
  const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

async function caseData(number) {
  const [page, capture] = $(`case-${number}`).textContent.trim().split(" ");
  const [bytes, pcapng] = await Promise.all([unpacked(page), unpacked(capture)]);
  return [JSON.parse(new TextDecoder().decode(bytes)), pcapng];
}

/* --- routes ------------------------------------------------------------------------------------------------------- */

async function show() {
  const hash = location.hash;
  const [, kind, first, second, ...more] = hash.split("/");
  closeDrawer(false);
  let page = null;
  opened = null;
  if (kind === "cell" && INDEX.cells[first] && INDEX.cells[first][3][second]) {
    page = cellPage(Number(first), second, INDEX);
  } else if (kind === "case") {
    const number = numbers.get(decoded([first, second, ...more].filter((part) => part !== undefined).join("/")));
    if (number === undefined) {
      page = h("div", {}, crumbs("no such case"), h("h1", {}, "No such case in this report"));
    } else {
      const [data, capture] = await caseData(number);
      if (location.hash !== hash) return;
      opened = { number, data, rows: new Map(data.rows.map((row) => [row.n, row])) };
      page = casePage(number, data, capture, INDEX);
    }
  }
  $("home").hidden = page !== null;
  $("page").hidden = page === null;
  $("page").replaceChildren(...(page ? [page] : []));
  document.body.classList.toggle("inside", page !== null);
  if (opened) draw();
  document.title = page ? `${page.querySelector("h1").textContent} · ringproof ${INDEX.run}` : `ringproof ${INDEX.run}`;
  if (page) {
    scrollTo(0, 0);
    $("page").focus({ preventScroll: true });
  } else if (came) {
    came.focus();
    came = null;
  }
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

addEventListener("hashchange", show);

/* --- a case ------------------------------------------------------------------------------------------------------- */

function draw() {
  const { data } = opened;
  $("page").querySelectorAll("[data-draw]").forEach((plot, at) => {
    plot.replaceChildren();
    plot.append(drawn(data.charts[at], plot.clientWidth));
  });
  const box = $("ladder");
  const current = rungs().find((rung) => rung.tabIndex === 0);
  const [heads, rungsBox] = [box.querySelector(".heads"), box.querySelector(".rungs")];
  const [top, left] = [box.scrollTop, box.scrollLeft];
  heads.replaceChildren();
  rungsBox.replaceChildren();
  const room = box.clientWidth - 1;
  heads.append(drawn(data.heads, room));
  rungsBox.append(drawn(data.ladder, room));
  box.scrollTo({ top, left, behavior: "instant" });
  for (const rung of rungs()) {
    const row = opened.rows.get(Number(rung.dataset.n));
    rung.setAttribute("role", "button");
    rung.setAttribute("tabindex", "-1");
    // what is read out begins with what is seen
    for (const text of rung.querySelectorAll("text")) text.after(" ");
    const seen = [...rung.querySelectorAll("text")].map((text) => text.textContent).join(" ");
    rung.setAttribute("aria-label", [seen, row.between, ...row.signs].filter(Boolean).join(", "));
    if (!row.parts.length && !row.more.length) rung.setAttribute("aria-disabled", "true");
  }
  const first = rungs().find((rung) => current && rung.dataset.n === current.dataset.n) || rungs()[0];
  if (first) first.setAttribute("tabindex", "0");
  markOpen();
}

function rungs() {
  return [...document.querySelectorAll("#ladder .row")];
}

function goTo(rung, focus = true) {
  for (const each of rungs()) each.setAttribute("tabindex", "-1");
  rung.setAttribute("tabindex", "0");
  if (focus) rung.focus({ preventScroll: true });
  // its arrow, not the whole row, which may be wider than the box
  (rung.querySelector(".shaft") || rung).scrollIntoView({ block: "nearest", inline: "nearest" });
}

function openRow(n, focus = true) {
  const row = opened && opened.rows.get(n);
  if (!row || (!row.parts.length && !row.more.length)) return false;
  opened.shown = n;
  const drawer = $("drawer");
  drawer.replaceChildren(...drawerContent(row, beside).flat().filter(Boolean));
  drawer.hidden = false;
  document.body.classList.add("with-drawer");
  draw();
  if (focus) drawer.focus({ preventScroll: true });
  const rung = rungs().find((each) => Number(each.dataset.n) === n);
  if (rung) goTo(rung, false);
  return true;
}

function beside(step) {
  if (step === 0) {
    closeDrawer(true);
    return;
  }
  const order = opened.data.rows.filter((row) => row.parts.length || row.more.length).map((row) => row.n);
  const next = order[order.indexOf(opened.shown) + step];
  if (next !== undefined) openRow(next);
}

function closeDrawer(focus) {
  if ($("drawer").hidden) return;
  $("drawer").hidden = true;
  $("drawer").replaceChildren();
  document.body.classList.remove("with-drawer");
  if (!opened) return;
  const n = opened.shown;
  opened.shown = undefined;
  if (focus) {
    draw();
    const rung = rungs().find((each) => Number(each.dataset.n) === n);
    if (rung) goTo(rung);
  }
}

function markOpen() {
  for (const rung of rungs()) rung.classList.toggle("open", Number(rung.dataset.n) === opened.shown);
}

let drawnAt = innerWidth;
addEventListener("resize", () => {
  if (opened && innerWidth !== drawnAt) draw();
  drawnAt = innerWidth;
});

$("page").addEventListener("click", (event) => {
  const rung = event.target.closest("#ladder .row");
  const link = event.target.closest("[data-open]");
  if (rung) {
    goTo(rung, false);
    openRow(Number(rung.dataset.n));
  } else if (link) {
    openRow(Number(link.dataset.open));
  }
});

$("page").addEventListener("keydown", (event) => {
  const rung = event.target.closest("#ladder .row");
  if (!rung) return;
  const all = rungs();
  const at = all.indexOf(rung);
  const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: all.length - 1 }[event.key];
  if (to !== undefined) {
    if (all[to]) goTo(all[to]);
    event.preventDefault();
  } else if (event.key === "Enter" || event.key === " ") {
    openRow(Number(rung.dataset.n));
    event.preventDefault();
  }
});

addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  if (!$("drawer").hidden) closeDrawer(true);
  else if (!$("page").hidden) location.hash = "#/";
});

$("drawer").addEventListener("keydown", (event) => {
  if (event.target !== $("drawer")) return;
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (step) {
    beside(step);
    event.preventDefault();
  }
});

/* --- the matrix --------------------------------------------------------------------------------------------------- */

const table = $("matrix");
const lines = [...table.tBodies[0].rows].map((line, at) => {
  const [clause, statement, level, cells] = INDEX.cells[at];
  return { line, clause, statement, level, cells, buttons: [...line.querySelectorAll(".cell")] };
});

function filter() {
  const words = $("f-text").value.toLowerCase().split(/\s+/).filter(Boolean);
  const chapter = $("f-chapter").value;
  const verdict = $("f-verdict").value;
  const level = $("f-level").value;
  const has = (text) => words.every((word) => text.includes(word));
  let found = 0;
  for (const each of lines) {
    const about = `${each.clause} ${each.statement}`.toLowerCase();
    let any = false;
    for (const button of each.buttons) {
      const [cases, verdicts] = each.cells[button.dataset.column];
      const fits = cases.some((number, at) => (!chapter || INDEX.cases[number][3] === chapter)
        && (!verdict || verdicts[at] === verdict)
        && has(`${about} ${INDEX.cases[number][0]} ${INDEX.cases[number][1]}`.toLowerCase()));
      button.classList.toggle("dim", !fits);
      any = any || fits;
    }
    each.line.hidden = !any || (level !== "" && each.level !== level);
    found += each.line.hidden ? 0 : 1;
  }
  $("found").textContent = `${found} of ${lines.length} promises`;
  enter();
}

$("filters").addEventListener("input", filter);
$("filters").addEventListener("change", filter);
$("filters").addEventListener("reset", () => setTimeout(filter));
$("filters").addEventListener("submit", (event) => event.preventDefault());

/* One cell is in the tab order; the arrow keys go on from it. */
function enter(cell) {
  const all = lines.filter((each) => !each.line.hidden).flatMap((each) => each.buttons);
  const before = table.querySelector('.cell[tabindex="0"]');
  const next = cell || (all.includes(before) ? before : all[0]);
  if (before) before.tabIndex = -1;
  if (next) next.tabIndex = 0;
}

table.addEventListener("click", (event) => {
  const cell = event.target.closest(".cell");
  if (!cell) return;
  const row = Number(cell.closest("tr").dataset.row);
  const [cases] = INDEX.cells[row][3][cell.dataset.column];
  enter(cell);
  came = cell;
  location.hash = cases.length === 1 ? `#/case/${encodeURIComponent(INDEX.cases[cases[0]][0])}` : `#/cell/${row}/${cell.dataset.column}`;
});

table.addEventListener("keydown", (event) => {
  const cell = event.target.closest(".cell");
  if (!cell) return;
  const shown = lines.filter((each) => !each.line.hidden);
  const at = shown.findIndex((each) => each.buttons.includes(cell));
  const buttons = shown[at].buttons;
  const across = buttons.indexOf(cell);
  const nearest = (line) => line && (line.buttons.find((each) => each.dataset.column === cell.dataset.column) || line.buttons[0]);
  const next = {
    ArrowLeft: () => buttons[across - 1],
    ArrowRight: () => buttons[across + 1],
    ArrowUp: () => nearest(shown[at - 1]),
    ArrowDown: () => nearest(shown[at + 1]),
    Home: () => nearest(shown[0]),
    End: () => nearest(shown[shown.length - 1]),
  }[event.key];
  if (!next) return;
  event.preventDefault();
  const to = next();
  if (to) {
    enter(to);
    to.focus();
  }
});

filter();
show();
