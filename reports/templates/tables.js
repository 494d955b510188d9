// Views, tables that sort and filter, and what a value says when it is pointed at.
const data = JSON.parse(document.getElementById("data").textContent);
const main = document.getElementById("main"), tip = document.getElementById("tip");

// An element with attributes, listeners (on...) and children; texts are set as text, never as markup.
function make(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (key.startsWith("aria-") || (value !== false && value !== null)) element.setAttribute(key, value === true && !key.startsWith("aria-") ? "" : value);
  }
  element.append(...children.filter(child => child !== null && child !== undefined));
  return element;
}
function colour(index) { return data.palette[index % data.palette.length]; }
function dash(index) { return ["", "7 4", "8 3 2 3", "2 3"][Math.floor(index / data.palette.length) % 4]; }

const views = [];
function addView(id, title, build) { views.push({id, title, build}); }
function show(id) {
  const view = views.find(one => one.id === id) || views[0];
  hideTip();
  main.replaceChildren(...view.build());
  for (const button of document.querySelectorAll("#views button")) {
    if (button.dataset.view === view.id) button.setAttribute("aria-current", "page");
    else button.removeAttribute("aria-current");
  }
}

function tableView(part) {
  const state = {column: null, descending: true, text: "", hidden: new Set()};
  const holder = make("div", {class: "scroll"}), legend = make("div", {class: "filters"});
  const redraw = () => holder.replaceChildren(measuredTable(part, state, redraw));
  legend.append(make("input", {type: "search", placeholder: "Filter by method", "aria-label": "Filter by method", oninput: event => {
    state.text = event.target.value.toLowerCase();
    redraw();
  }}));
  if (part.datasets.length > 1) {
    for (const dataset of part.datasets) {
      legend.append(make("label", {}, make("input", {type: "checkbox", checked: true, "data-dataset": dataset.name, onchange: event => {
        if (event.target.checked) state.hidden.delete(dataset.name); else state.hidden.add(dataset.name);
        redraw();
      }}), dataset.title));
    }
  }
  redraw();
  const notes = part.notes.filter(note => !data.notes.includes(note)).map(note => make("p", {class: "quiet"}, note));
  const footnotes = make("ol", {class: "footnotes"}, ...part.footnotes.map(note => make("li", {}, note)));
  // the page's own title and count stand for those of its only suite
  const head = data.parts.length > 1 ? [make("h2", {}, part.title, make("span", {class: "quiet"}, ` suite ${part.name}`)),
    make("p", {class: "quiet"}, part.counted)] : [];
  return [...head, ...notes, legend, holder, make("p", {class: "caption"}, part.caption), footnotes,
    ...part.daggers.map(text => make("p", {class: "quiet"}, text)),
    ...plainTable(["Method", "Dataset", ...part.metrics.map(metric => metric.head)], part.compared.rows, "Against the best of each column",
      part.compared.caption),
    ...published(part.published), ...rocViews(part), ...part.figures.map(figure)];
}

function measuredTable(part, state, redraw) {
  const datasets = part.datasets.filter(dataset => !state.hidden.has(dataset.name));
  const columns = datasets.flatMap(dataset => part.metrics.map(metric => ({dataset, metric, key: `${dataset.name}|${metric.name}`})));
  const rows = part.rows.filter(row => `${row.title} ${row.type}`.toLowerCase().includes(state.text));
  if (state.column) rows.sort((one, other) => compareRows(one, other, state));
  const sortable = (title, key, className) => make("th", {
    class: `sortable ${className}`, tabindex: 0, scope: "col", "data-column": key,
    "aria-sort": state.column === key ? (state.descending ? "descending" : "ascending") : "none",
    onclick: () => sortBy(key), onkeydown: event => { if (event.key === "Enter") sortBy(key); },
  }, title + (state.column === key ? (state.descending ? " ▾" : " ▴") : ""));
  const sortBy = key => {
    const text = key === "title" || key === "type";
    state.descending = state.column === key ? !state.descending : !text;
    state.column = key;
    redraw();
  };
  const groups = make("tr", {}, make("th"), make("th"), ...datasets.map(dataset =>
    make("th", {class: "group", colspan: part.metrics.length, scope: "colgroup"}, dataset.title)));
  const head = make("tr", {}, sortable("Method", "title", ""), sortable(part.row_head, "type", "text"),
    ...columns.map(column => sortable(column.metric.head, column.key, "")));
  const body = rows.map(row => make("tr", {"data-method": row.name},
    make("td", {}, row.title + row.marks, ...sup(row.notes)), make("td", {class: "text"}, row.type),
    ...columns.map(column => valueCell(row, column))));
  return make("table", {class: "measured", "data-suite": part.name}, make("thead", {}, groups, head), make("tbody", {}, ...body));
}

function compareRows(one, other, state) {
  if (state.column === "title" || state.column === "type") {
    return one[state.column].localeCompare(other[state.column]) * (state.descending ? -1 : 1);
  }
  const [a, b] = [one.values[state.column].sort, other.values[state.column].sort];
  if (a === null || b === null) return (a === null) - (b === null);  // what has no value stays at the end
  return state.descending ? b - a : a - b;
}

function valueCell(row, column) {
  const value = row.values[column.key];
  const cell = make("td", {class: `value-cell ${["", "best", "second"][value.rank]}`, tabindex: 0, "data-key": column.key},
    make("span", {class: "value"}, value.text), value.tied ? make("sup", {}, "≈") : null, ...sup(value.note === null ? [] : [value.note]),
    value.interval ? make("span", {class: "interval"}, value.interval) : null);
  const tell = () => showTip(cell, `${row.title} · ${column.dataset.title} · ${column.metric.head}`, [
    ["Value", `${value.text} ${column.metric.unit}`.trim()], ...(value.interval ? [["Interval", value.interval]] : []),
    ...(value.compared ? [["To the best", value.compared]] : []), ...(row.facts[column.dataset.name][0] || [["", "not run"]])],
    row.facts[column.dataset.name].length);
  for (const event of ["mouseenter", "focus", "click"]) cell.addEventListener(event, tell);
  for (const event of ["mouseleave", "blur"]) cell.addEventListener(event, hideTip);
  return cell;
}

function showTip(anchor, title, facts, seeds) {
  tip.replaceChildren(make("b", {}, title), make("dl", {}, ...facts.flatMap(([name, text]) => [make("dt", {}, name), make("dd", {}, text)])));
  if (seeds > 1) tip.append(make("div", {}, `and ${seeds - 1} more seed${seeds > 2 ? "s" : ""}, see Cells`));
  tip.hidden = false;
  const box = anchor.getBoundingClientRect(), size = tip.getBoundingClientRect();
  tip.style.left = `${Math.max(4, Math.min(box.left, innerWidth - size.width - 4))}px`;
  tip.style.top = `${box.bottom + size.height + 6 < innerHeight ? box.bottom + 4 : Math.max(4, box.top - size.height - 4)}px`;
}
function hideTip() { tip.hidden = true; }
function sup(numbers) { return numbers.length ? [make("sup", {}, numbers.join(","))] : []; }

function plainTable(head, rows, title, caption, className = "") {
  if (!rows.length) return [];
  const cell = text => make("td", {class: text.length > 40 ? "text prose" : "text"}, text);
  return [make("h3", {}, title), make("div", {class: `scroll ${className}`}, make("table", {},
    make("thead", {}, make("tr", {}, ...head.map(text => make("th", {class: "text", scope: "col"}, text)))),
    make("tbody", {}, ...rows.map(row => make("tr", {}, ...row.map(cell)))))), make("p", {class: "caption"}, caption)];
}

function published(found) {
  const titles = found.groups.flatMap(([title, span]) => Array(span).fill(title));
  const head = ["Method", "Type", ...found.columns.map((metric, index) => `${titles[index]} ${metric.replace(" ", "\u00a0")}`.trim())];
  return plainTable(head, found.rows, "As published in the SAIST paper (not our measurements)", found.caption, "published");
}

function figure(found) {
  if (!found.source) return make("p", {class: "quiet"}, `Figure ${found.name}: ${found.caption}`);
  const turn = event => event.currentTarget.classList.toggle("whole");  // between the page's width and its own
  return make("figure", {"data-figure": found.name}, make("div", {class: "picture"}, make("img", {
    src: found.source, alt: found.caption, loading: "lazy", tabindex: 0, title: "Click for its own size and back", onclick: turn,
    onkeydown: event => { if (event.key === "Enter") turn(event); }})), make("figcaption", {}, found.caption));
}

function aboutView() {
  const found = data.differences;
  const rows = found.rows.map(row => [row.title, row.dataset, row.metric, `${row.ours} ${row.interval}`.trim(), row.published, row.difference,
    row.inside || "–", row.causes]);
  return [make("h2", {}, "Beside the published numbers"), make("p", {}, found.summary),
    ...plainTable(["Method", "Dataset", "Metric", "Ours", "Published", "Ours – published", "In our interval", "Known causes"], rows, "Differences",
      "Causes apply by rule; none is claimed to explain a difference."),
    make("ul", {class: "footnotes"}, ...Object.entries(found.causes).map(([cause, text]) => make("li", {}, `${cause}: ${text}`))),
    make("h2", {}, "What was not run"), ...data.missing.flatMap(([title, lines]) => [make("h3", {}, title),
      make("ul", {class: "footnotes"}, ...lines.map(line => make("li", {}, line)))]),
    ...(data.missing.length ? [] : [make("p", {}, "Everything was run.")])];
}
function cellsView() {
  return [make("h2", {}, "Where the numbers come from"),
    ...plainTable(data.origins.head, data.origins.rows, "Finished cells", ""),
    ...data.origins.lines.map(line => make("p", {class: "caption"}, line))];
}
