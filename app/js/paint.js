// Draws a scene through a view onto two canvases: `under` (photo, fill, outlines, names, prompts), drawn when something
// changed, and `over` (what is hovered, picked or being drawn), which alone is drawn while the pointer moves.
namebrush.Painter = class {
  constructor(scene, view, under, over) {
    Object.assign(this, { scene, view, under, over });
    this.layers = { photo: true, fill: true, outline: true, names: true, prompts: true, scores: false };
    this.fade = 0.35;
    this.patterns = false;
    this.wipe = null; // share of the photo's width that shows what was before, or null
    this.heat = null; // a canvas laid over the photo, or null
    this.preview = null; // a picture on the way: image, box in the photo, whether it lies inside what is picked
    this.dash = 0;
  }

  resize(width, height) {
    const ratio = (this.ratio = window.devicePixelRatio || 1);
    for (const canvas of [this.under, this.over]) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
    }
  }

  // Halves of the photo, so that drawing it small costs little and shimmers less.
  take() {
    this.levels = this.halves(this.scene.photo);
    this.levelsBefore = this.scene.before ? this.halves(this.scene.before) : null;
    this.fill = null;
  }

  halves(image) {
    const levels = [image];
    let last = image;
    while (last.width > 1400) {
      const half = document.createElement('canvas');
      half.width = Math.ceil(last.width / 2);
      half.height = Math.ceil(last.height / 2);
      const context = half.getContext('2d');
      context.imageSmoothingQuality = 'high';
      context.drawImage(last, 0, 0, half.width, half.height);
      levels.push(half);
      last = half;
    }
    return levels;
  }

  // Each class's colour on its pixels, as a picture of the index's size; with patterns, each class hatched its own way.
  fillPicture() {
    const { scene } = this;
    const { width, height, sets } = scene.picture;
    const canvas = document.createElement('canvas');
    canvas.width = width;
    canvas.height = height;
    const context = canvas.getContext('2d');
    const image = context.createImageData(width, height);
    const out = new Uint32Array(image.data.buffer);
    const colors = scene.top.map((region) => (region ? abgr(region.color) : 0));
    const kinds = scene.top.map((region) => (region ? region.pattern : 0));
    const pitch = Math.max(8, Math.round(Math.max(width, height) / 110));
    for (let i = 0; i < sets.length; i += 1) {
      const color = colors[sets[i]];
      if (!color) continue;
      out[i] = this.patterns && hatched(kinds[sets[i]], i % width, (i / width) | 0, pitch) ? color | 0xff000000
        : (color & 0xffffff) | ((this.patterns ? 0x70 : 0xff) << 24);
    }
    context.putImageData(image, 0, 0);
    return canvas;
  }

  place(context) {
    const { ratio, view } = this;
    context.setTransform(view.scale * ratio, 0, 0, view.scale * ratio, view.left * ratio, view.top * ratio);
  }

  photo(context, levels) {
    const { width, height } = this.scene.data.photo;
    const real = this.view.scale * this.ratio;
    const level = levels.findLast((one) => one.width >= width * real * 0.9) || levels[0];
    context.imageSmoothingEnabled = real < 2;
    context.imageSmoothingQuality = 'medium';
    if (this.scene.data.photo.alpha) this.checks(context, width, height);
    context.drawImage(level, 0, 0, width, height);
  }

  // What shows where the photo is transparent: light and dark checks of a fixed size on the screen.
  checks(context, width, height) {
    const tile = document.createElement('canvas');
    tile.width = tile.height = 16;
    const g = tile.getContext('2d');
    g.fillStyle = '#fff';
    g.fillRect(0, 0, 16, 16);
    g.fillStyle = '#ccc';
    g.fillRect(0, 0, 8, 8);
    g.fillRect(8, 8, 8, 8);
    const pattern = context.createPattern(tile, 'repeat');
    pattern.setTransform(new DOMMatrix().scale(1 / this.view.scale));
    context.fillStyle = pattern;
    context.fillRect(0, 0, width, height);
  }

  // The place a heat map speaks of: a cross that keeps its size, light within dark.
  target(context, x, y) {
    if (x === undefined) return;
    const arm = 11 / this.view.scale;
    for (const [color, wide] of [['rgba(0, 0, 0, .75)', 4.5], ['#fff', 1.8]]) {
      context.strokeStyle = color;
      context.lineWidth = wide / this.view.scale;
      context.beginPath();
      context.moveTo(x - arm, y);
      context.lineTo(x + arm, y);
      context.moveTo(x, y - arm);
      context.lineTo(x, y + arm);
      context.stroke();
    }
  }

  drawUnder() {
    const start = performance.now();
    this.drawAll();
    this.took = performance.now() - start;
    if (this.took < 10) { this.drawn = null; return; }
    const picture = this.drawn?.picture || document.createElement('canvas');
    picture.width = this.under.width;
    picture.height = this.under.height;
    picture.getContext('2d').drawImage(this.under, 0, 0);
    const { scale, left, top } = this.view;
    this.drawn = { picture, scale, left, top };
  }

  drawAll() {
    const context = this.under.getContext('2d');
    const { scene, view, layers } = this;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, this.under.width, this.under.height);
    if (!scene.photo) return;
    const { width, height } = scene.data.photo;
    this.place(context);
    context.globalAlpha = layers.photo ? 1 : 0.08;
    this.photo(context, this.levels);
    context.globalAlpha = 1;
    if (this.wipe !== null && this.levelsBefore) {
      context.save();
      context.beginPath();
      context.rect(0, 0, width * this.wipe, height);
      context.clip();
      this.photo(context, this.levelsBefore);
      context.restore();
      return;
    }
    if (this.heat) {
      context.imageSmoothingEnabled = true;
      context.drawImage(this.heat, 0, 0, width, height);
      this.target(context, ...(this.heat.at ?? []));
      return;
    }
    if (!scene.picture) return;
    if (layers.fill) {
      this.fill ??= this.fillPicture();
      context.globalAlpha = this.fade;
      context.imageSmoothingEnabled = false;
      context.drawImage(this.fill, 0, 0, width, height);
      context.globalAlpha = 1;
    }
    if (layers.outline) for (const region of this.inView()) this.outline(context, region, 1.25, region.color);
    context.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    if (layers.prompts) for (const region of this.inView()) namebrush.glyphs.prompt(context, view, region);
    if (layers.names || layers.scores) this.names(context);
  }

  // What was drawn last, moved to where it lies now: for the moments in which the view moves. Drawing all outlines
  // anew takes longer than a frame where there are many.
  drawQuick() {
    const old = this.drawn;
    if (!old || this.took < 10 || this.wipe !== null) return this.drawUnder();
    const context = this.under.getContext('2d');
    const { view } = this;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, this.under.width, this.under.height);
    this.place(context);
    this.photo(context, this.levels);
    const scale = view.scale / old.scale;
    const shift = (now, then) => (now - then * scale) * this.ratio;
    context.setTransform(scale, 0, 0, scale, shift(view.left, old.left), shift(view.top, old.top));
    context.imageSmoothingEnabled = true;
    context.drawImage(old.picture, 0, 0);
  }

  inView() {
    const { view, scene } = this;
    const [x0, y0] = view.toPhoto(0, 0);
    const [x1, y1] = view.toPhoto(view.boxWidth, view.boxHeight);
    return scene.regions.filter(({ box }) => box[2] > x0 && box[0] < x1 && box[3] > y0 && box[1] < y1);
  }

  // A line of `width` CSS pixels whatever the zoom, with a dark edge so that it shows on any photo.
  outline(context, region, width, color, dash = null) {
    const { picture, data } = this.scene;
    const coarse = picture && this.view.scale * this.ratio * data.photo.width < 0.8 * picture.width;
    const path = this.scene.path(region, coarse);
    if (!path) return;
    context.save();
    this.place(context);
    context.scale(data.photo.width / picture.width, data.photo.height / picture.height);
    const pixel = picture.width / data.photo.width / this.view.scale;
    context.lineJoin = 'round';
    context.lineWidth = (width + 1.5) * pixel;
    context.strokeStyle = 'rgba(0,0,0,.55)';
    context.stroke(path);
    context.lineWidth = width * pixel;
    context.strokeStyle = color;
    if (dash !== null) {
      context.setLineDash([6 * pixel, 5 * pixel]);
      context.lineDashOffset = -dash * pixel;
    }
    context.stroke(path);
    context.restore();
  }

  // Names where there is room for them; of two that would cover each other the larger region keeps its own.
  names(context) {
    const taken = [];
    for (const region of [...this.inView()].sort((a, b) => b.area - a.area)) {
      const parts = [];
      if (this.layers.names) parts.push(region.title);
      if (this.layers.scores && region.score !== null) parts.push(region.score.toFixed(2));
      const x = region.at[0] * this.view.scale + this.view.left;
      const y = region.at[1] * this.view.scale + this.view.top + (this.layers.prompts ? 16 : 0);
      namebrush.glyphs.label(context, parts.join('  '), x, y, region.color, taken);
    }
  }

  // The outlines of all that is picked as one path, in the photo's pixels.
  pickedPath() {
    const { data, picture, picked, byId } = this.scene;
    const whole = new Path2D();
    const to = new DOMMatrix().scale(data.photo.width / picture.width, data.photo.height / picture.height);
    for (const id of picked) whole.addPath(this.scene.path(byId.get(id)), to);
    return whole;
  }

  // The picture on the way, where it will be: inside what is picked, since nothing else will change.
  drawPreview(context) {
    const { scene, preview: { image, box: [x0, y0, x1, y1], inside } } = this;
    context.save();
    this.place(context);
    if (inside && scene.picture && scene.picked.size) context.clip(this.pickedPath());
    context.imageSmoothingQuality = 'high';
    context.drawImage(image, x0, y0, x1 - x0, y1 - y0);
    context.restore();
  }

  // `tools` draw what they have in hand; one that says so has the picked regions in hand altogether.
  drawOver(hovered, drawing, tools = []) {
    const context = this.over.getContext('2d');
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, this.over.width, this.over.height);
    const { scene } = this;
    if (!scene.photo || this.wipe !== null) return;
    if (this.preview) this.drawPreview(context);
    const moving = tools.some((tool) => tool.active);
    if (!moving) for (const id of scene.picked) this.outline(context, scene.byId.get(id), 2.5, '#fff', this.dash);
    if (hovered && !moving && scene.byId.has(hovered.id)) {
      this.outline(context, hovered, 2.75, scene.picked.has(hovered.id) ? '#fff' : hovered.color);
    }
    context.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    if (hovered && !moving && !(scene.picked.size === 1 && scene.picked.has(hovered.id))) namebrush.glyphs.prompt(context, this.view, hovered);
    for (const tool of tools) tool.draw(context);
    if (drawing) namebrush.glyphs.drawing(context, this.view, drawing);
  }
};

function abgr(color) {
  const value = parseInt(color.slice(1), 16);
  return (0xff000000 | ((value & 255) << 16) | (value & 0xff00) | (value >> 16)) >>> 0;
}

// Six hatchings that differ without their colours: diagonals both ways, upright, level, dots, checks.
function hatched(kind, x, y, pitch) {
  const half = pitch / 2;
  switch (kind % 6) {
    case 0: return (x + y) % pitch < half * 0.7;
    case 1: return (((x - y) % pitch) + pitch) % pitch < half * 0.7;
    case 2: return x % pitch < half * 0.7;
    case 3: return y % pitch < half * 0.7;
    case 4: return x % pitch < half && y % pitch < half;
    default: return (x % pitch < half) !== (y % pitch < half);
  }
}
