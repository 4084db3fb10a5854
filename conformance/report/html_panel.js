"use strict";
// The panel: what is known of one cell, one provider, one family or one clause.
const data = JSON.parse(document.getElementById("data").textContent);
const SIGN = { c: "✓", d: "✗", u: "–", i: "?", e: "!", s: "·" };
const NAME = { c: "conforms", d: "deviates", u: "unsupported", i: "inconclusive", e: "error", s: "skipped" };
const place = new Map(data.columns.map((column, at) => [column.key, at]));
const FITS = { fit: ["c", "✓"], unfit: ["d", "✗"], "not decided": ["i", "?"] };
const number = new Map(data.clauses.map((clause, at) => [clause.id, at]));
const h = text => String(text).replace(/[&<>"']/g, sign => `&#${sign.charCodeAt(0)};`);
// Spans between backticks become code; a backtick without its partner is only text.
const prose = text => { const parts = String(text).split("`"); return parts.length % 2 ? parts.map((part, at) => at % 2 ? `<code>${h(part)}</code>` : h(part)).join("") : h(text); };
const sign = kind => `<span class="sign" role="img" aria-label="${NAME[kind]}">${SIGN[kind]}</span>`;

let details = null;
function unpacked() {
  // Unpacked when a cell is first opened: the matrix needs none of it.
  details ??= (async () => {
    if (typeof DecompressionStream === "undefined") throw new Error("This browser cannot unpack the evidence; a newer one can.");
    const packed = Uint8Array.from(atob(document.getElementById("details").textContent), one => one.charCodeAt(0));
    const text = await new Response(new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"))).text();
    return JSON.parse(text);
  })();
  return details;
}

function textOf(all, runs) {
  const lines = [];
  for (let at = 0; at < runs.length; at += 2) for (let more = 0; more < runs[at + 1]; more++) lines.push(all.lines[runs[at] + more]);
  return lines.join("\n");
}

async function showPanel(at) {
  const panel = document.getElementById("panel");
  if (!at) { panel.hidden = true; panel.replaceChildren(); return; }
  const [key, what] = at.split("/");
  const column = place.get(key);
  let body = null;
  if (what === undefined && column !== undefined) body = ofProvider(column);
  else if (number.has(what) && column !== undefined) body = await ofCell(column, number.get(what));
  else if (number.has(what) && key === "") body = ofClause(number.get(what));
  else if (what && column !== undefined && data.families.some(family => family.id === what)) body = ofFamily(column, what);
  if (state.at !== at) return;
  if (body === null) body = `<h2>Nothing is here</h2><p>The address names ${h(at)}, which this report does not have.</p>`;
  const steps = deviations();
  const where = steps.indexOf(at);
  panel.innerHTML = `<div class="panel-tools"><button type="button" data-do="close" aria-label="Close" title="Close (Esc)">✕</button>` +
    `<span class="room">${h(at.replace(/^\//, ""))}${where >= 0 ? ` · ${where + 1} of ${steps.length}` : ""}</span>` +
    `<button type="button" data-do="back" aria-label="Previous deviation" title="Previous deviation (k)">↑</button>` +
    `<button type="button" data-do="on" aria-label="Next deviation" title="Next deviation (j)">↓</button></div>${body}`;
  panel.setAttribute("role", "region");
  panel.setAttribute("aria-label", "Details of " + at);
  panel.hidden = false;
  panel.scrollTop = 0;
  // The panel took room from the matrix: what it is about stays in view, unless it was opened from elsewhere.
  if (!cameFrom) document.querySelector(`#matrix [data-at="${CSS.escape(at)}"]`)?.scrollIntoView({ block: "nearest", inline: "nearest" });
  panel.querySelector("[data-do=close]").focus({ preventScroll: true });
}

const to = (at, kind, inner) => `<a class="${kind}" href="${h(address(at))}" data-at="${h(at)}">${inner}</a>`;

function verdictLine(column, at) {
  const letter = data.columns[column].verdicts[at], kind = letter.toLowerCase();
  const { level, profile } = data.clauses[at];
  const unexpected = letter !== kind ? '<span class="chip">not expected</span>' : "di".includes(kind) ? '<span class="chip">expected</span>' : "";
  return `<p><span class="chip ${kind}">${sign(kind)} ${NAME[kind]}</span>${unexpected}<span class="chip">${h(level)}</span><span class="chip">${h(profile)}</span></p>`;
}

function sources(at) {
  return `<h3>Where it is promised</h3><ul class="sources">${data.clauses[at].sources.map(number => {
    const source = data.sources[number];
    return /^https?:\/\//.test(source) ? `<li><a href="${h(source)}" rel="noreferrer">${h(source)}</a></li>` : `<li>${h(source)}</li>`;
  }).join("")}</ul>`;
}

function others(at, here) {
  const chips = data.columns.map((one, column) => {
    const kind = data.columns[column].verdicts[at].toLowerCase();
    return kind === " " ? "" : to(one.key + "/" + data.clauses[at].id, `chip ${kind}${column === here ? " here" : ""}`, `${sign(kind)} ${h(one.key)}`);
  });
  return data.columns.length > 1 ? `<h3>The same clause elsewhere</h3><p>${chips.join("")}</p>` : "";
}

function headingOf(at) {
  const { id, title, statement } = data.clauses[at];
  return `<h2>${h(id)} · ${prose(title)}</h2>${title === statement ? "" : `<p class="statement">${prose(statement)}</p>`}`;
}

async function ofCell(column, at) {
  const { id } = data.clauses[at], one = data.columns[column], heading = headingOf(at);
  let all;
  try { all = await unpacked(); } catch (error) { return `${heading}${verdictLine(column, at)}<p>${h(error.message)}</p>`; }
  const cell = all.cells[one.key + "/" + id];
  if (!cell) return `<h2>${h(id)}</h2><p>${h(one.key)} was not judged by this clause.</p>${others(at, column)}`;
  const parts = [heading, verdictLine(column, at)];
  if ("dD".includes(one.verdicts[at]) && data.clauses[at].consequence) parts.push(`<p class="means">${prose(data.clauses[at].consequence)}</p>`);
  const rows = [];
  if (cell.promised) rows.push(`<dt>promised</dt><dd class="good">${h(cell.promised)}</dd><dt>observed</dt><dd class="bad">${h(cell.observed)}</dd>`);
  if (cell.reason) rows.push(`<dt>because</dt><dd>${h(cell.reason)}</dd>`);
  if (cell.example) rows.push(`<dt>example</dt><dd>${h(textOf(all, cell.example))}</dd>`);
  rows.push(`<dt>took</dt><dd>${cell.duration_s} s, ${cell.requests} request${cell.requests === 1 ? "" : "s"}</dd>`);
  parts.push(`<dl class="versus">${rows.join("")}</dl>`);
  if (cell.harm) parts.push(`<p class="known"><b>Finding:</b> it ${h(cell.harm)}. ${h(cell.protection)}</p>`);
  if (cell.known) {
    const link = /^https?:\/\//.test(cell.known.link || "") ? ` <a href="${h(cell.known.link)}" rel="noreferrer">${h(cell.known.link)}</a>` : "";
    parts.push(`<p class="known"><b>Known:</b> ${h(cell.known.reason)}${link}<br><small>since ${h(cell.known.since)}, to be reviewed by ${h(cell.known.review_by)}</small></p>`);
  }
  if (cell.history) parts.push("<h3>History</h3>", timeline(cell.history));
  if (cell.transcript) parts.push(`<h3>${copyButtons("transcript", "")}Requests and responses</h3><pre id="transcript">${coloured(textOf(all, cell.transcript))}</pre>`);
  if (cell.reproducer) {
    parts.push(cell.reproducer.length
      ? `<h3>${copyButtons("reproducer", `${one.key}-${id}.py`)}Reproducer</h3><pre class="script" id="reproducer">${h(textOf(all, cell.reproducer))}</pre>`
      : "<h3>Reproducer</h3><p>It is too long for this page; the report has it.</p>");
  }
  parts.push(others(at, column), sources(at));
  return parts.join("");
}

function copyButtons(id, file) {
  return `<span class="copy"><button type="button" data-do="copy" data-of="${id}">Copy</button>` +
    (file ? `<button type="button" data-do="download" data-of="${id}" data-file="${h(file)}">Download</button>` : "") + "</span>";
}

function coloured(text) {
  return text.split("\n").map(line => {
    const kind = line.startsWith(">") ? "sent" : line.startsWith("<") ? "got" : "left";
    return `<span class="${kind}">${h(line)}</span>`;
  }).join("\n");
}

function ofFamily(column, family) {
  const columns = shownColumns();
  const order = "EeDdIiUuSsCc";
  const members = shownClauses(columns).filter(at => data.clauses[at].id.split("-")[0] === family && data.columns[column].verdicts[at] !== " ")
    .sort((one, other) => order.indexOf(data.columns[column].verdicts[one]) - order.indexOf(data.columns[column].verdicts[other]) || one - other);
  return `<h2>${h(data.columns[column].key)} · ${h(data.families.find(one => one.id === family).words)}</h2>${listed(column, members)}`;
}

function listed(column, members) {
  return `<ul class="list">${members.map(at => {
    const kind = data.columns[column].verdicts[at].toLowerCase();
    return `<li>${to(data.columns[column].key + "/" + data.clauses[at].id, kind, `${sign(kind)}<b>${h(data.clauses[at].id)}</b><span>${prose(data.clauses[at].title)}</span>${data.columns[column].why[at] ? `<small>${prose(data.columns[column].why[at])}</small>` : ""}`)}</li>`;
  }).join("")}</ul>`;
}

function ofProvider(column) {
  const one = data.columns[column];
  const bad = shownClauses(shownColumns()).filter(at => "EeDdIi".includes(data.columns[column].verdicts[at]))
    .sort((one, other) => weight(column, one) - weight(column, other) || one - other);
  const history = one.history ? ` · <a href="${h(one.history)}">earlier runs</a>` : "";
  const [kind, mark] = FITS[one.fit];
  return `<h2>${h(one.key)}</h2><p>${h(one.backend)} ${h(one.version)}${history}</p>` +
    `<p><span class="chip ${kind}"><span class="sign">${mark}</span> ${h(one.answer)}</span> ${h(one.counted)}</p>` +
    `<dl class="versus">${one.facts.map(({ name, text }) => `<dt>${h(name)}</dt><dd>${h(text)}</dd>`).join("")}</dl>` +
    `<h3>${bad.length ? "Not as promised" : "Everything that was decided is as promised"}</h3>${listed(column, bad)}${adviceOf(one)}${limitsOf(one)}`;
}

function adviceOf(one) {
  const headings = { set: "What to set", "never rely on": "Never rely on", know: "Know" };
  return Object.entries(headings).map(([kind, heading]) => {
    const found = one.advice.filter(advice => advice.kind === kind);
    const lines = found.map(({ text, clauses, variables }) => `<li>${h(text)} ${clauses.map(id => number.has(id) ? to(`${one.key}/${id}`, "", h(id)) : h(id)).join(" ")}` +
      `${variables.map(line => `<br><code>${h(line)}</code>`).join("")}</li>`);
    return found.length ? `<h3>${heading}</h3><ul class="advice">${lines.join("")}</ul>` : "";
  }).join("");
}

function limitsOf(one) {
  if (!one.limits.length) return "";
  return `<h3>Limits found by search</h3><ul class="advice">${one.limits.map(({ sign: mark, title, words }) => `<li>${mark ? `<b class="${mark === "✗" ? "bad" : ""}">${h(mark)}</b> ` : ""}${h(title)}: ${h(words)}</li>`).join("")}</ul>`;
}

function ofClause(at) {
  const { id, level, profile } = data.clauses[at];
  const rows = data.columns.map((one, column) => {
    const kind = data.columns[column].verdicts[at].toLowerCase();
    return kind === " " ? "" : `<li>${to(one.key + "/" + id, kind, `${sign(kind)}<b>${h(one.key)}</b><span>${prose(data.columns[column].why[at] || NAME[kind])}</span>`)}</li>`;
  });
  return `${headingOf(at)}<p><span class="chip">${h(level)}</span><span class="chip">${h(profile)}</span></p><ul class="list">${rows.join("")}</ul>${sources(at)}`;
}

// Drawn by the order of calls and answers, not to scale: that order decides, and a read of 1 ms must stay legible.
function placed(events) {
  const ends = events.flatMap((event, at) => [[event.start_s, 0, at], [event.end_s ?? Infinity, 1, at]]);
  ends.sort((one, other) => (one[0] === other[0] ? 0 : one[0] - other[0]) || one[1] - other[1]);
  const boxes = events.map(event => ({ label: event.operation + (event.outcome && event.outcome !== "done" ? " → " + event.outcome : "") }));
  let at = 0;
  for (const [, answered, number] of ends) {
    const box = boxes[number];
    if (answered) box.until = at = Math.max(at + 6, box.from + box.label.length * 6.6 + 12);
    else box.from = at += 8;
  }
  return [boxes, at];
}

function timeline(events) {
  const clients = [...new Set(events.map(event => event.client))].sort();
  const end = Math.max(...events.map(event => event.end_s ?? event.start_s)) || 1;
  const [boxes, reach] = placed(events);
  const left = 70, lane = 34, width = left + Math.max(reach, 240) + 20;
  const lanes = clients.map((client, row) => `<line class="lane" x1="${left}" x2="${width - 10}" y1="${row * lane + 24}" y2="${row * lane + 24}"/><text x="8" y="${row * lane + 28}">${h(client)}</text>`);
  const bars = events.map((event, at) => {
    const y = clients.indexOf(event.client) * lane + 12, { from, until, label } = boxes[at];
    const kind = event.end_s === null ? "lost" : /^(get|head|list|read)/i.test(event.operation) ? "read" : "write";
    return `<g><title>${h(label)} (${(event.start_s * 1000).toFixed(1)} – ${event.end_s === null ? "no answer" : (event.end_s * 1000).toFixed(1) + " ms"})</title><rect class="${kind}" x="${left + from}" y="${y}" width="${until - from}" height="22" rx="3"/>` +
      `<text x="${left + from + 5}" y="${y + 15}">${h(label)}</text></g>`;
  });
  const height = clients.length * lane + 24;
  const bottom = `<text x="${left}" y="${height - 6}">in order, not to scale; ${(end * 1000).toFixed(1)} ms in all</text>`;
  return `<div class="wide"><svg class="time" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img" aria-label="Concurrent history of ${clients.length} clients">${lanes.join("")}${bars.join("")}${bottom}</svg></div>` +
    `<details><summary>As text</summary><pre>${events.map(event => h(`${event.start_s.toFixed(4)}–${event.end_s === null ? "?" : event.end_s.toFixed(4)} s  ${event.client}  ${event.operation}  ${event.outcome || ""}`)).join("\n")}</pre></details>`;
}

document.getElementById("panel").addEventListener("click", event => {
  const button = event.target.closest("button[data-do]");
  if (!button) return;
  const kind = button.dataset.do;
  if (kind === "close") leave();
  else if (kind === "on") step(1);
  else if (kind === "back") step(-1);
  else {
    const text = document.getElementById(button.dataset.of).textContent;
    if (kind === "copy") copy(text).then(done => { button.textContent = done ? "Copied" : "Select and copy by hand"; });
    else {
      const made = document.createElement("a");
      made.href = URL.createObjectURL(new Blob([text], { type: "text/x-python" }));
      made.download = button.dataset.file;
      made.click();
      setTimeout(() => URL.revokeObjectURL(made.href), 1000);
    }
  }
});

async function copy(text) {
  try { await navigator.clipboard.writeText(text); return true; } catch {
    // A page opened from a file may have no clipboard.
    const area = document.createElement("textarea");
    area.value = text;
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  }
}
