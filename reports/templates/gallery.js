// Test images one by one, with ground truth and each method's detections switched on and off over them.
const TRUTH = "#00e676";

function galleryView() {
  const {images, methods} = data.gallery;
  const state = {index: 0, on: new Set(methods.slice(0, 1)), truth: true, score: false};
  const canvas = make("canvas", {"aria-label": "Test image with detections"}), title = make("p", {class: "quiet", id: "image-title"});
  const strip = make("div", {class: "strip"}, ...images.map((image, index) => make("button", {
    "aria-label": `Image ${image.id}`, onclick: () => move(index)}, make("img", {src: image.image, alt: image.id}))));
  const move = index => {
    state.index = (index + images.length) % images.length;
    strip.children[state.index].scrollIntoView({block: "nearest", inline: "nearest"});
    redraw();
  };
  const redraw = () => {
    const image = images[state.index];
    title.textContent = `${state.index + 1} of ${images.length} · ${image.dataset} · ${image.id} · ${image.width}×${image.height}`;
    [...strip.children].forEach((button, index) => button.setAttribute("aria-pressed", index === state.index));
    for (const label of list.querySelectorAll("[data-map]")) label.querySelector("input").disabled = !(label.dataset.map in image.maps);
    return paint(canvas, image, state, methods);
  };
  const entry = (text, swatch, checked, change, attributes) => make("li", {}, make("label", attributes,
    make("input", {type: "checkbox", checked, onchange: event => { change(event.target.checked); redraw(); }}),
    swatch ? make("span", {class: "swatch", style: `background:${swatch}`}) : null, text));
  const list = make("ul", {}, entry("Ground truth", TRUTH, true, on => { state.truth = on; }, {"data-truth": ""}),
    ...methods.map((method, index) => entry(method, colour(index), state.on.has(method), on => {
      if (on) state.on.add(method); else state.on.delete(method);
    }, {"data-map": method})),
    entry("Scores instead of detections", null, false, on => { state.score = on; }, {"data-score": ""}));
  const buttons = make("div", {class: "bar filters"}, make("button", {"data-step": "back", onclick: () => move(state.index - 1)}, "‹ Previous"),
    make("button", {"data-step": "next", onclick: () => move(state.index + 1)}, "Next ›"));
  redraw();
  return [make("h2", {}, "Gallery"), title, buttons, make("div", {class: "stage"}, canvas, make("div", {class: "side"}, list)), strip,
    make("p", {class: "caption"}, "Detections are pixels whose score is above the threshold. Ground truth is outlined.")];
}

const decoded = new Map();
function pixels(source, width, height) {
  // Codes of a grey PNG as bytes; each picture is decoded once.
  if (!decoded.has(source)) {
    decoded.set(source, new Promise((resolve, reject) => {
      const image = new Image();
      image.onload = () => {
        const canvas = make("canvas", {width, height}), context = canvas.getContext("2d", {willReadFrequently: true});
        context.drawImage(image, 0, 0);
        resolve(context.getImageData(0, 0, width, height).data.filter((_, index) => index % 4 === 0));
      };
      image.onerror = reject;
      image.src = source;
    }));
  }
  return decoded.get(source);
}

async function paint(canvas, image, state, methods) {
  const chosen = methods.filter(method => state.on.has(method) && method in image.maps);
  const wanted = canvas.dataset.wanted = JSON.stringify([image.dataset, image.id, chosen, state.truth, state.score]);
  const [base, truth, ...maps] = await Promise.all([image.image, image.mask, ...chosen.map(method => image.maps[method])].map(
    source => pixels(source, image.width, image.height)));
  if (canvas.dataset.wanted !== wanted) return;  // another picture was asked for meanwhile
  const {width, height} = image, scale = Math.max(1, Math.ceil(1024 / Math.max(width, height)));
  const output = new ImageData(width, height);
  for (let place = 0; place < width * height; place += 1) {
    const rgb = [base[place], base[place], base[place]];
    maps.forEach((map, index) => {
      const strength = state.score ? map[place] / 255 : map[place] > image.level ? 0.65 : 0;
      const tint = parseInt(colour(methods.indexOf(chosen[index])).slice(1), 16);
      [tint >> 16, (tint >> 8) & 255, tint & 255].forEach((value, channel) => {
        rgb[channel] = rgb[channel] * (1 - strength) + value * strength;
      });
    });
    output.data.set([...rgb, 255], 4 * place);
  }
  const small = make("canvas", {width, height});
  small.getContext("2d").putImageData(output, 0, 0);
  canvas.width = width * scale;
  canvas.height = height * scale;
  const context = canvas.getContext("2d");
  context.imageSmoothingEnabled = false;
  context.drawImage(small, 0, 0, canvas.width, canvas.height);
  if (state.truth) outline(context, truth, width, height, scale);
  canvas.dataset.painted = wanted;
}

function outline(context, mask, width, height, scale) {
  context.strokeStyle = TRUTH;
  context.lineWidth = Math.max(1, scale / 3);
  context.beginPath();
  const inside = (x, y) => x >= 0 && y >= 0 && x < width && y < height && mask[y * width + x] > 127;
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      if (!inside(x, y)) continue;
      for (const [dx, dy, x0, y0, x1, y1] of [[-1, 0, 0, 0, 0, 1], [1, 0, 1, 0, 1, 1], [0, -1, 0, 0, 1, 0], [0, 1, 0, 1, 1, 1]]) {
        if (inside(x + dx, y + dy)) continue;
        context.moveTo((x + x0) * scale, (y + y0) * scale);
        context.lineTo((x + x1) * scale, (y + y1) * scale);
      }
    }
  }
  context.stroke();
}

for (const part of data.parts) addView(part.name, data.parts.length > 1 ? part.name : "Results", () => tableView(part));
if (data.gallery.images.length) addView("gallery", "Gallery", galleryView);
addView("published", "Published and missing", aboutView);
addView("cells", "Cells", cellsView);
document.getElementById("counted").textContent = data.counted;
document.getElementById("notes").append(...data.notes.map(note => make("p", {class: "warning"}, note)));
document.getElementById("views").append(...views.map(view => make("button", {"data-view": view.id, onclick: () => show(view.id)}, view.title)));
document.addEventListener("scroll", hideTip, {passive: true});
show(views[0].id);
