// ROC curves that zoom: wheel or buttons, drag to move, one click on a legend entry hides its curve.
const ROC_KINDS = {
  target: {x: "fa", y: "pd", area: "target_auc", xTitle: "Fa (fraction of pixels)", yTitle: "Pd"},
  pixel: {x: "fpr", y: "tpr", area: "pixel_auc", xTitle: "False positive rate", yTitle: "True positive rate"},
};
const FLOOR = -7, SVG = "http://www.w3.org/2000/svg", SIZE = {width: 760, height: 380, left: 56, right: 14, top: 12, bottom: 44};

function rocViews(part) {
  return part.datasets.filter(dataset => (part.roc[dataset.name] || []).length).map(dataset => rocView(dataset, part.roc[dataset.name]));
}

function draw(name, attributes, text) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text !== undefined) element.textContent = text;
  return element;
}

function rocView(dataset, curves) {
  const state = {kind: "target", window: [FLOOR, 0, 0, 1.02], hidden: new Set()};
  const svg = draw("svg", {viewBox: `0 0 ${SIZE.width} ${SIZE.height}`, role: "img", "aria-label": `ROC of ${dataset.title}`});
  const legend = make("div", {class: "toggles"}), bar = make("div", {class: "bar"});
  const redraw = () => { drawRoc(svg, curves, state); drawLegend(); };
  const zoom = (factor, x = 0.4, y = 0.85) => {
    const [x0, x1, y0, y1] = state.window, [width, height] = [(x1 - x0) * factor, (y1 - y0) * factor];
    const [cx, cy] = [x0 + x * (x1 - x0), y0 + y * (y1 - y0)];
    state.window = [cx - x * width, cx + (1 - x) * width, cy - y * height, cy + (1 - y) * height];
    redraw();
  };
  const drawLegend = () => legend.replaceChildren(...curves.map(curve => {
    const area = curve.areas[ROC_KINDS[state.kind].area];
    return make("label", {}, make("input", {type: "checkbox", checked: !state.hidden.has(curve.title), onchange: event => {
      if (event.target.checked) state.hidden.delete(curve.title); else state.hidden.add(curve.title);
      redraw();
    }}), make("span", {class: "swatch", style: `background:${colour(curve.colour)}`}),
      `${curve.title}${area === undefined || area === null ? "" : ` ${area.toFixed(4)}`}`);
  }));
  for (const [kind, title] of [["target", "Targets"], ["pixel", "Pixels"]]) {
    bar.append(make("button", {"data-kind": kind, "aria-pressed": kind === "target", onclick: event => {
      state.kind = kind;
      for (const button of bar.querySelectorAll("[data-kind]")) button.setAttribute("aria-pressed", button === event.target);
      redraw();
    }}, title));
  }
  bar.append(make("button", {"data-zoom": "in", onclick: () => zoom(0.6), "aria-label": "Zoom in"}, "+"),
    make("button", {"data-zoom": "out", onclick: () => zoom(1 / 0.6), "aria-label": "Zoom out"}, "–"),
    make("button", {"data-zoom": "reset", onclick: () => { state.window = [FLOOR, 0, 0, 1.02]; redraw(); }}, "Reset"));
  movable(svg, state, zoom, redraw);
  redraw();
  return make("section", {class: "roc", "data-roc": dataset.name}, make("h3", {}, `ROC, ${dataset.title}`), bar, svg, legend,
    make("p", {class: "caption"}, "Areas under the curves stand after the names. Curves of targets are not monotone and are neither sorted nor clipped. "
      + "A dot is the highest threshold that marks anything."));
}

function movable(svg, state, zoom, redraw) {
  const place = event => {
    const box = svg.getBoundingClientRect();
    const x = (event.clientX - box.left) / box.width * SIZE.width, y = (event.clientY - box.top) / box.height * SIZE.height;
    return [(x - SIZE.left) / (SIZE.width - SIZE.left - SIZE.right), 1 - (y - SIZE.top) / (SIZE.height - SIZE.top - SIZE.bottom)];
  };
  svg.addEventListener("wheel", event => {
    event.preventDefault();
    zoom(event.deltaY < 0 ? 0.8 : 1.25, ...place(event));
  }, {passive: false});
  let start = null;
  svg.addEventListener("pointerdown", event => { start = {at: place(event), window: state.window}; svg.setPointerCapture(event.pointerId); });
  svg.addEventListener("pointermove", event => {
    if (!start) return;
    const [x, y] = place(event), [x0, x1, y0, y1] = start.window;
    const [dx, dy] = [(start.at[0] - x) * (x1 - x0), (start.at[1] - y) * (y1 - y0)];
    state.window = [x0 + dx, x1 + dx, y0 + dy, y1 + dy];
    redraw();
  });
  for (const event of ["pointerup", "pointercancel"]) svg.addEventListener(event, () => { start = null; });
}

function drawRoc(svg, curves, state) {
  const kind = ROC_KINDS[state.kind], [x0, x1, y0, y1] = state.window;
  const inner = {width: SIZE.width - SIZE.left - SIZE.right, height: SIZE.height - SIZE.top - SIZE.bottom};
  const toX = value => SIZE.left + (value - x0) / (x1 - x0) * inner.width;
  const toY = value => SIZE.top + (1 - (value - y0) / (y1 - y0)) * inner.height;
  const clip = `clip-${Math.random().toString(36).slice(2)}`;
  const frame = draw("clipPath", {id: clip});
  frame.append(draw("rect", {x: SIZE.left, y: SIZE.top, width: inner.width, height: inner.height}));
  const parts = [frame];
  const text = (x, y, content, anchor, extra = {}) => draw("text", {x, y, "text-anchor": anchor, "font-size": 12, fill: "#1c1f24", ...extra}, content);
  for (const tick of ticks(x0, x1)) {
    parts.push(draw("line", {x1: toX(tick), x2: toX(tick), y1: SIZE.top, y2: SIZE.top + inner.height, stroke: "#e3e6ea"}),
      text(toX(tick), SIZE.top + inner.height + 16, Number.isInteger(tick) ? `1e${tick}` : (10 ** tick).toPrecision(2), "middle"));
  }
  for (const tick of ticks(y0, y1)) {
    parts.push(draw("line", {x1: SIZE.left, x2: SIZE.left + inner.width, y1: toY(tick), y2: toY(tick), stroke: "#e3e6ea"}),
      text(SIZE.left - 6, toY(tick) + 4, `${+tick.toFixed(4)}`, "end"));
  }
  const group = draw("g", {"clip-path": `url(#${clip})`});
  for (const curve of curves.filter(one => !state.hidden.has(one.title))) {
    // as in the printed figure: no line to where nothing is marked, it would cross decades in which no threshold was measured
    const points = curve[kind.x].map((x, index) => [x, curve[kind.y][index]])
      .filter(([x, y]) => x !== null && y !== null && (x > 0 || y > 0))
      .map(([x, y]) => [toX(Math.max(Math.log10(Math.max(x, 1e-300)), FLOOR)).toFixed(2), toY(y).toFixed(2)]);
    if (!points.length) continue;
    const [cx, cy] = points[points.length - 1];
    group.append(draw("polyline", {points: points.map(point => point.join(",")).join(" "), fill: "none", stroke: colour(curve.colour),
      "stroke-width": 1.8, "stroke-dasharray": dash(curve.colour), "data-method": curve.method}),
      draw("circle", {cx, cy, r: 3, fill: colour(curve.colour)}));
  }
  parts.push(group, draw("rect", {x: SIZE.left, y: SIZE.top, width: inner.width, height: inner.height, fill: "none", stroke: "#5d6570"}),
    text(SIZE.left + inner.width / 2, SIZE.height - 6, kind.xTitle, "middle"),
    text(14, SIZE.top + inner.height / 2, kind.yTitle, "middle", {transform: `rotate(-90 14 ${SIZE.top + inner.height / 2})`}));
  svg.setAttribute("data-window", state.window.map(value => value.toFixed(4)).join(" "));
  svg.replaceChildren(...parts);
}

function ticks(low, high) {
  const step = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1].find(one => (high - low) / one <= 8) || 2;
  const found = [];
  for (let place = Math.ceil(low / step - 1e-9); place * step <= high + 1e-9; place += 1) found.push(+(place * step).toFixed(6));
  return found;
}
