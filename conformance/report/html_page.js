// The matrix: filters, unfolding, comparing, keyboard, and the address of every cell.
const state = { at: "", q: "", level: [], profile: [], verdict: [], diff: false, fresh: false, cmp: [], open: [] };
const LISTS = ["level", "profile", "verdict", "cmp", "open"], FLAGS = ["diff", "fresh"];

function readAddress() {
  const [at, query] = location.hash.slice(1).split("?");
  const given = new URLSearchParams(query || "");
  state.at = decodeURIComponent(at || "");
  state.q = given.get("q") || "";
  for (const name of LISTS) state[name] = (given.get(name) || "").split(",").filter(Boolean);
  for (const name of FLAGS) state[name] = given.has(name);
  state.cmp = state.cmp.filter(key => place.has(key)).slice(0, 2);
}

function address(at) {
  const given = new URLSearchParams();
  if (state.q) given.set("q", state.q);
  for (const name of LISTS) if (state[name].length) given.set(name, state[name].join(","));
  for (const name of FLAGS) if (state[name]) given.set(name, "1");
  const query = given.toString().replaceAll("%2C", ",");
  return "#" + encodeURI(at) + (query ? "?" + query : "");
}

function shownColumns() {
  return state.cmp.length === 2 ? state.cmp.map(key => place.get(key)) : data.columns.map((_, at) => at);
}

function shownClauses(columns) {
  const words = state.q.toLowerCase().split(/\s+/).filter(Boolean);
  const differ = state.diff || state.cmp.length === 2;
  return data.clauses.map((_, at) => at).filter(at => {
    const { id, level, profile, title, statement } = data.clauses[at];
    if (state.level.length && !state.level.includes(level)) return false;
    if (state.profile.length && !state.profile.includes(profile)) return false;
    const text = (id + " " + title + " " + statement).toLowerCase();
    if (!words.every(word => text.includes(word))) return false;
    const letters = columns.map(column => data.columns[column].verdicts[at]);
    if (differ && new Set(letters.map(letter => letter.toLowerCase())).size < 2) return false;
    if (state.verdict.length && !letters.some(letter => state.verdict.includes(letter.toLowerCase()))) return false;
    return !state.fresh || letters.some(letter => letter >= "A" && letter <= "Z");
  });
}

function worst(column, members) {
  const seen = new Set(members.map(at => data.columns[column].verdicts[at]));
  seen.delete(" ");
  for (const letter of "EeDdIi") if (seen.has(letter)) return letter;
  if (!seen.size) return "";
  if (seen.has("c") || seen.has("C")) return "c";
  return [..."UuSs"].find(letter => seen.has(letter));
}

// Only these are red: what breaks a core promise or does harm.
function grave(column, at) {
  const { level, profile } = data.clauses[at];
  return at in data.columns[column].harms || (level === "MUST" && profile === "core");
}

function cellClass(column, members) {
  const kind = worst(column, members).toLowerCase() || "none";
  const mild = kind === "d" && !members.some(at => "dD".includes(data.columns[column].verdicts[at]) && grave(column, at));
  return mild ? "d mild" : kind;
}

// The order of importance: harm first, then core promises, then MUST.
function weight(column, at) {
  const { level, profile } = data.clauses[at];
  return (at in data.columns[column].harms ? 0 : 4) + (level === "MUST" && profile === "core" ? 0 : 2) + (level === "MUST" ? 0 : 1);
}

// The clause that speaks for others: the most important one of the worst verdict.
function speaking(column, members) {
  const letter = worst(column, members), { verdicts } = data.columns[column];
  return members.filter(at => verdicts[at] === letter).sort((one, other) => weight(column, one) - weight(column, other) || one - other)[0];
}

function summary(column, members) {
  const letter = worst(column, members);
  if (!letter) return "";
  const kind = letter.toLowerCase();
  const text = kind === "c" ? "as promised" : data.clauses[speaking(column, members)].title;
  return `<span class="why ${kind}">${sign(kind)} ${prose(text)}</span>${counts(column, members)}`;
}

function counts(column, members) {
  const letters = data.columns[column].verdicts, count = {};
  for (const at of members) count[letters[at].toLowerCase()] = (count[letters[at].toLowerCase()] || 0) + 1;
  const held = count.c || 0, decided = held + (count.d || 0);
  const others = [..."euis"].filter(one => count[one]).map(one => `<span class="other" title="${count[one]} ${NAME[one]}">${SIGN[one]} ${count[one]}</span>`).join("");
  const bar = decided ? `<i class="bar"><i style="width:${Math.floor(100 * held / decided)}%"></i></i>` : "";
  return `<span class="many">${decided ? held + "/" + decided : ""}${others}</span>${bar}`;
}

function familyRow(family, words, members, columns, open) {
  const cells = columns.map(column => {
    const key = data.columns[column].key;
    return `<td class="${cellClass(column, members)}">${link(key + "/" + family, "cell", summary(column, members))}</td>`;
  });
  return `<tr class="family${open ? " open" : ""}"><th scope="row">` +
    `<a class="rowhead" href="${h(address("/" + family))}" data-at="/${family}" data-family="${family}" aria-expanded="${open}"><b>${family}</b><small>${h(words)}</small></a></th>${cells.join("")}</tr>`;
}

function clauseRow(at, columns) {
  const { id, level, profile, title } = data.clauses[at];
  const cells = columns.map(column => {
    const letter = data.columns[column].verdicts[at], kind = letter.toLowerCase();
    if (letter === " ") return "<td></td>";
    const foreseen = letter === kind && "di".includes(kind) ? " expected" : "";
    const text = kind === "c" ? "" : data.columns[column].why[at] || NAME[kind];
    return `<td class="${cellClass(column, [at])}${foreseen}">${link(data.columns[column].key + "/" + id, "cell", `<span class="why">${sign(kind)} ${prose(text)}</span>`)}</td>`;
  });
  return `<tr class="clause"><th scope="row">${link("/" + id, "clausehead", `<span class="tag">${h(level)} ${h(profile)}</span><b>${h(id)}</b><small>${prose(title)}</small>`)}</th>${cells.join("")}</tr>`;
}

function link(at, kind, inner) {
  return `<a class="${kind}" href="${h(address(at))}" data-at="${h(at)}"${state.at === at ? ' aria-current="true"' : ""}>${inner}</a>`;
}

function draw() {
  const columns = shownColumns(), clauses = shownClauses(columns), filtered = clauses.length < data.clauses.length;
  const table = document.getElementById("matrix");
  table.className = columns.length <= 4 ? "wide" : columns.length <= 9 ? "middle" : "narrow";
  table.style.setProperty("--columns", columns.length);
  table.tHead.innerHTML = `<tr><th scope="col" class="corner">${clauses.length}${filtered ? " of " + data.clauses.length : ""} clauses</th>` +
    columns.map(column => {
      const one = data.columns[column];
      const [kind, mark] = FITS[one.fit];
      return `<th scope="col">${link(one.key, "head", `<b>${h(one.key)}</b><small>${h(one.backend + " " + one.version)}</small>` +
        `<span class="why ${kind}"><span class="sign">${mark}</span> ${h(one.fit)}</span>${counts(column, clauses)}`)}</th>`;
    }).join("") + "</tr>";
  const rows = [];
  const unfolded = state.cmp.length === 2 || (filtered && clauses.length <= 40);
  for (const { id: family, words } of data.families) {
    const members = clauses.filter(at => data.clauses[at].id.split("-")[0] === family);
    if (!members.length) continue;
    const open = unfolded !== state.open.includes(family);
    rows.push(familyRow(family, words, members, columns, open));
    if (open) for (const at of members) rows.push(clauseRow(at, columns));
  }
  table.tBodies[0].innerHTML = rows.join("") ||
    `<tr><td class="none-left" colspan="${columns.length + 1}">No clause is left. ${state.cmp.length === 2 ? "The two agree in every clause that the filters leave." : "Take a filter away."}</td></tr>`;
  drawTools();
}

function drawTools() {
  for (const button of document.querySelectorAll("#tools button[data-name]")) {
    const { name, value } = button.dataset;
    button.setAttribute("aria-pressed", String(value ? state[name].includes(value) : state[name]));
  }
  const search = document.getElementById("search");
  if (search.value !== state.q) search.value = state.q;
  if (data.columns.length > 1 && state.cmp.length) {
    document.getElementById("cmp-a").value = state.cmp[0];
    document.getElementById("cmp-b").value = state.cmp[1];
  }
  document.getElementById("unfold").textContent = state.open.length ? "Fold all" : "Unfold all";
}

function makeTools() {
  const toggle = (name, value, text, hint) =>
    `<button type="button" data-name="${name}" data-value="${value}" title="${h(hint)}">${text}</button>`;
  const group = (name, label, values, text, hint) =>
    `<fieldset><legend class="unseen">${label}</legend>${values.map(value => toggle(name, value, text(value), hint(value))).join("")}</fieldset>`;
  const present = new Set(data.columns.map(one => one.verdicts).join("").toLowerCase().replaceAll(" ", ""));
  const options = data.columns.map(one => `<option value="${h(one.key)}">${h(one.key)}</option>`).join("");
  const select = (id, label) => `<select id="${id}" aria-label="${label}"><option value="">–</option>${options}</select>`;
  const tools = document.getElementById("tools");
  tools.innerHTML =
    `<span class="search"><input id="search" type="search" placeholder="Search clauses (/)" aria-label="Search clauses" autocomplete="off"></span>` +
    group("verdict", "verdicts", [..."cdiues"].filter(one => present.has(one)), one => sign(one), one => "clauses that some provider " + NAME[one]) +
    group("level", "levels", ["MUST", "SHOULD", "MAY"].filter(one => data.clauses.some(clause => clause.level === one)), one => one, one => "clauses of level " + one) +
    group("profile", "profiles", ["core", "s3"].filter(one => data.clauses.some(clause => clause.profile === one)), one => one, one => "clauses of profile " + one) +
    toggle("fresh", "", "unexpected", "clauses with a verdict that nobody expected") +
    (data.columns.length > 1 ? toggle("diff", "", "differ", "clauses in which providers differ") + `<label>compare ${select("cmp-a", "compare this")} ${select("cmp-b", "with this")}</label>` : "") +
    `<button type="button" id="unfold">Unfold all</button>`;
  tools.addEventListener("click", event => {
    const button = event.target.closest("button");
    if (!button) return;
    if (button.id === "unfold") state.open = state.open.length ? [] : data.families.map(family => family.id);
    else {
      const { name, value } = button.dataset;
      if (!value) state[name] = !state[name];
      else state[name] = state[name].includes(value) ? state[name].filter(one => one !== value) : [...state[name], value];
    }
    settle();
  });
  tools.addEventListener("input", event => {
    if (event.target.id === "search") state.q = event.target.value;
    else {
      const both = ["cmp-a", "cmp-b"].map(id => document.getElementById(id).value);
      const chosen = both[0] && both[1] && both[0] !== both[1] ? both : [];
      if (!chosen.length && !state.cmp.length) return;
      state.cmp = chosen;
      state.open = [];
    }
    settle();
  });
  const more = document.createElement("button");
  more.className = "more";
  more.type = "button";
  more.textContent = "Filter";
  more.setAttribute("aria-controls", "tools");
  more.setAttribute("aria-expanded", "false");
  more.addEventListener("click", () => more.setAttribute("aria-expanded", String(tools.classList.toggle("shown"))));
  tools.before(more);
}

function settle() {
  history.replaceState(null, "", address(state.at) || "#");
  draw();
}

function go(at) {
  // Opening a cell is a step that "back" undoes; filters are not.
  history.pushState(null, "", address(at));
  state.at = at;
  arrive();
}

let returnTo = "", cameFrom = null;
function arrive() {
  for (const one of document.querySelectorAll("[aria-current]")) one.removeAttribute("aria-current");
  const clause = state.at.split("/")[1] || "";
  if (clause.includes("-") && !document.querySelector(`#matrix [data-at="${CSS.escape(state.at)}"]`)) {
    const family = clause.split("-")[0];
    if (!state.open.includes(family) && state.cmp.length < 2) { state.open.push(family); draw(); }
  }
  const here = document.querySelector(`#matrix [data-at="${CSS.escape(state.at)}"]`);
  here?.setAttribute("aria-current", "true");
  if (state.at) returnTo = state.at;
  showPanel(state.at);
}

function leave() {
  go("");
  const back = cameFrom?.isConnected ? cameFrom : document.querySelector(`#matrix [data-at="${CSS.escape(returnTo)}"]`);
  back?.focus();
}

function deviations() {
  const columns = shownColumns();
  return shownClauses(columns).flatMap(at => columns.filter(column => "dDiIeE".includes(data.columns[column].verdicts[at]))
    .map(column => data.columns[column].key + "/" + data.clauses[at].id));
}

function step(by) {
  const all = deviations();
  if (!all.length) return;
  const at = all.indexOf(state.at);
  cameFrom = null;
  go(all[at < 0 ? (by > 0 ? 0 : all.length - 1) : (at + by + all.length) % all.length]);
}

function moveFocus(from, key) {
  const cell = from.closest("td, th"), row = cell.parentElement, rows = [...document.getElementById("matrix").rows];
  const [down, right] = { ArrowDown: [1, 0], ArrowUp: [-1, 0], ArrowRight: [0, 1], ArrowLeft: [0, -1] }[key];
  let y = rows.indexOf(row), x = cell.cellIndex;
  do { y += down; x += right; } while (rows[y]?.cells[x] && !rows[y].cells[x].querySelector("a"));
  rows[y]?.cells[x]?.querySelector("a")?.focus();
}

document.addEventListener("keydown", event => {
  const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName);
  if (event.key === "Escape") {
    if (typing) event.target.blur();
    else if (state.at) leave();
  } else if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
  else if (event.key === "/") { event.preventDefault(); document.getElementById("tools").classList.add("shown"); document.getElementById("search").focus(); }
  else if (event.key === "j" || event.key === "n") step(1);
  else if (event.key === "k" || event.key === "p") step(-1);
  else if (event.key.startsWith("Arrow") && event.target.closest("#matrix")) { event.preventDefault(); moveFocus(event.target, event.key); }
});

document.addEventListener("click", event => {
  const target = event.target.closest("a[data-at]");
  if (!target || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  const family = target.dataset.family;
  if (!family) {
    // Where the panel was opened from outside of itself and of the matrix, closing it leads back there.
    if (!target.closest("#panel")) cameFrom = target.closest("#matrix") ? null : target;
    return go(target.dataset.at);
  }
  state.open = state.open.includes(family) ? state.open.filter(one => one !== family) : [...state.open, family];
  settle();
  document.querySelector(`[data-family="${family}"]`)?.focus();
});

// A link to the causes of one backend unfolds them.
document.addEventListener("click", event => {
  const target = event.target.closest("a.jump");
  if (!target) return;
  event.preventDefault();
  const causes = document.getElementById(decodeURIComponent(target.hash.slice(1)));
  causes.open = true;
  causes.scrollIntoView();
  causes.querySelector("summary").focus({ preventScroll: true });
});

window.addEventListener("popstate", () => { readAddress(); draw(); arrive(); });

document.documentElement.classList.add("js");
makeTools();
readAddress();
// What the page came with is the matrix without filters already.
if (location.hash.length > 1) draw(); else drawTools();
arrive();
