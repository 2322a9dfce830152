/* The pages of a case and of a cell, and the drawer with a message: built from data, never from markup. */

const LONGEST = 4000;

function chip(verdict, index) {
  return h("span", { class: `chip v-${verdict}` },
    h("span", { "aria-hidden": "true" }, index.signs[verdict] || "?"), ` ${verdict.replace("_", " ")}`);
}

function caseLink(number, index) {
  const [address, title, verdict] = index.cases[number];
  return h("a", { href: `#/case/${encodeURIComponent(address)}`, class: "case-link" },
    chip(verdict, index), h("code", {}, address), h("span", { class: "why" }, title));
}

function cellPage(row, column, index) {
  const [clause, statement, level, cells] = index.cells[row];
  const [cases, verdicts] = cells[column];
  return h("div", { class: "cell-page" },
    crumbs(`${clause} at ${index.columns[column]}`),
    h("h1", {}, h("span", { class: "id" }, clause), " ", coded(statement)),
    h("p", { class: "lead" }, `${level}, ${index.columns[column]}: ${cases.length} cases`),
    h("ol", { class: "cases" }, cases.map((number, at) =>
      h("li", {}, caseLink(number, index),
        verdicts[at] === index.cases[number][2] ? null
          : h("p", { class: "aside" }, `on ${clause}: `, chip(verdicts[at], index))))));
}

function crumbs(here, more) {
  return h("nav", { class: "crumbs", "aria-label": "Where you are" },
    h("a", { href: "#/" }, "← All promises"), h("span", { "aria-current": "page" }, here), more);
}

function section(title, ...children) {
  const id = `s-${title.toLowerCase().replace(/\W+/g, "-")}`;
  return h("section", { "aria-labelledby": id, class: id }, h("h2", { id }, title), children);
}

function casePage(number, data, capture, index) {
  const [address, title, verdict, , duration, file] = index.cases[number];
  const findings = data.findings.filter(([, text]) => text);
  const near = (at, words) => (index.cases[at]
    ? h("a", { href: `#/case/${encodeURIComponent(index.cases[at][0])}`, title: index.cases[at][0] }, words) : null);
  return h("div", { class: "case-page" },
    crumbs(address, h("span", { class: "beside" }, near(number - 1, "‹ before"), near(number + 1, "next ›"))),
    h("header", { class: `case-head v-${verdict}` },
      h("p", { class: "said" }, chip(verdict, index), h("span", {}, index.meanings[verdict])),
      h("h1", {}, address), h("p", { class: "lead" }, title),
      data.why ? h("p", { class: "background" }, data.why) : null),
    h("div", { class: "two" },
      section("Finding",
        h("dl", { class: "findings" }, findings.map(([name, text]) => h("div", { class: `f-${name}` }, h("dt", {}, name), h("dd", {}, coded(text))))),
        h("ul", { class: "clauses" }, data.clauses.map(([id, statement, source, level, said, reason]) =>
          h("li", {}, h("p", {}, chip(said, index), " ", h("b", { class: "id" }, id), " ", coded(statement)),
            h("p", { class: "source" }, `${level} · ${source}`),
            reason ? h("p", { class: "reason" }, coded(reason)) : null)))),
      section("Evidence",
        h("p", { class: "label" }, "Run it again"),
        h("div", { class: "again" }, h("code", { id: "again", tabindex: "0" }, data.again), copyButton(data.again)),
        h("p", { class: "actions" }, downloadLink(address, capture)),
        h("dl", { class: "small" },
          pair("file", file), pair("took", `${duration} s`),
          data.label ? pair("logs", `grep ${data.label} in kazoo.log`) : null,
          data.trace.length ? pair("Call-ID", data.trace[0]) : null))),
    data.lamps.length ? lampSection(data) : null,
    ladderSection(data),
    data.closings.length ? closingSection(data.closings) : null);
}

function pair(name, text) {
  return h("div", {}, h("dt", {}, name), h("dd", {}, text));
}

function copyButton(text) {
  return h("button", { type: "button", class: "copy", onclick: async (event) => {
    const button = event.currentTarget;
    let done = false;
    try {
      await navigator.clipboard.writeText(text);
      done = true;
    } catch {
      getSelection().selectAllChildren(document.getElementById("again"));
      done = document.execCommand("copy");
    }
    button.textContent = done ? "Copied" : "Selected";
    announce(done ? "Copied" : "Selected: copy it with your keyboard");
    setTimeout(() => { button.textContent = "Copy"; }, 1600);
  } }, "Copy");
}

function downloadLink(address, capture) {
  const name = `${address.replace(/[^\w.-]+/g, "_")}.pcapng`;
  const url = URL.createObjectURL(new Blob([capture], { type: "application/octet-stream" }));
  return h("a", { class: "button", href: url, download: name }, `Download ${name}`);
}

function lampSection({ lamps, charts }) {
  const legend = ["off", "ringing", "busy", "unknown"].map((state) =>
    h("li", {}, h("span", { class: `swatch is-${state}`, "aria-hidden": "true" }), state));
  legend.push(h("li", {}, h("span", { class: "swatch is-desync", "aria-hidden": "true" }), "lamp and truth differ"));
  return section("Lamps", h("ul", { class: "key" }, legend),
    h("div", { class: "charts" }, lamps.map((lamp, at) =>
      h("figure", { class: "chart" },
        h("div", { class: "plot", role: "img", "aria-label": `${charts[at].title}: ${lamp.says}`, "data-draw": "" }),
        h("figcaption", {}, h("b", {}, lamp.title), ` ${lamp.says}. `, h("span", { class: "source" }, `${lamp.presentity}, ${lamp.event}`),
          lamp.laws.length ? h("ul", { class: "laws" }, lamp.laws.map(([t, words]) => h("li", {}, `${t} s: ${words}`))) : null)))));
}

function ladderSection(data) {
  const signs = data.signs.map(([sign, meaning, name]) =>
    h("li", {}, h("span", { class: `sign-key k-${name}`, "aria-hidden": "true" }, sign), meaning));
  return section("Ladder",
    h("p", { class: "hint" }, "Seconds since the case began. A row opens its message; arrow keys go up and down, Enter opens, Escape closes."),
    signs.length ? h("ul", { class: "key" }, signs) : null,
    h("div", { class: "ladder", id: "ladder" },
      h("div", { class: "heads", "aria-hidden": "true" }),
      h("div", { class: "rungs", role: "group", "aria-label": "Ladder" })));
}

function closingSection(closings) {
  const when = ([t, latency, message]) => [
    message === null || message === undefined ? `at ${t} s`
      : h("button", { type: "button", class: "link", "data-open": message }, `at ${t} s`),
    latency === null || latency === undefined ? "" : `, after ${(latency * 1000).toFixed(0)} ms`];
  return section("What closed the counts",
    h("p", { class: "hint" }, "That nothing more comes is proved, not waited for: a control shows that the phone could be reached, a fence that everything sent before it has arrived, then the phone listened on."),
    h("div", { class: "scroll", role: "region", "aria-label": "What closed the counts", tabindex: "0" },
      h("table", { class: "closings" },
        h("thead", {}, h("tr", {}, ["count", "control arrived", "fence arrived", "then listened"].map((name) => h("th", { scope: "col" }, name)))),
        h("tbody", {}, closings.map((each) => h("tr", {}, h("th", { scope: "row" }, each.claim),
          h("td", {}, when(each.control)), h("td", {}, when(each.fence)), h("td", {}, `${each.lag.toFixed(3)} s`)))))));
}

/* One line of a message. A very long one is cut until it is asked for. */
function line([text, lit]) {
  const name = lit ? "lit" : "";
  if (text.length <= LONGEST) return h("div", { class: `line ${name}` }, text || "\u200b");
  const rest = h("button", { type: "button", class: "link", onclick: () => { whole.textContent = text; } },
    ` … ${text.length - LONGEST} more characters`);
  const whole = h("div", { class: `line ${name}` }, text.slice(0, LONGEST), rest);
  return whole;
}

function drawerContent(row, beside) {
  return [
    h("div", { class: "drawer-head" },
      h("h2", {}, row.text),
      h("div", { class: "drawer-tools" },
        h("button", { type: "button", "aria-label": "Message before", onclick: () => beside(-1) }, "↑"),
        h("button", { type: "button", "aria-label": "Next message", onclick: () => beside(1) }, "↓"),
        h("button", { type: "button", id: "close", "aria-label": "Close", onclick: () => beside(0) }, "✕"))),
    h("p", { class: "meta" }, `${row.t.toFixed(3)} s`, row.between ? ` · ${row.between}` : "",
      row.notes.length ? ` · then ${row.phone}: ${row.notes.join(", ")}` : ""),
    row.signs.length ? h("ul", { class: "signs" }, row.signs.map((sign) => h("li", {}, sign))) : null,
    row.more.length ? h("dl", { class: "small" }, row.more.map(([name, text]) => pair(name, text))) : null,
    row.parts.map((part) => h("div", { class: "part" },
      part.title ? h("h3", {}, part.title) : null,
      h("p", { class: "ends" }, part.ends, part.size === null ? "" : ` · ${part.size} octets`),
      part.checks.length ? [h("p", { class: "label" }, "Checked by steps"),
        h("ul", { class: "checks" }, part.checks.map((check) => h("li", {}, check)))] : null,
      h("div", { class: "wire", tabindex: "0", role: "region", "aria-label": part.title || "Message" },
        h("div", { class: "head" }, part.head.map(line)),
        part.body.length ? h("div", { class: "body" }, part.body.map(line)) : null))),
  ];
}
