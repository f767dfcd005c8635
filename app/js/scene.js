// What is on the table: the photo, its regions with their outlines, and which are picked. No drawing, no events.
namebrush.Scene = class {
  constructor() {
    this.data = { regions: [], classes: [], sets: [[]] };
    this.photo = this.before = this.picture = null;
    this.regions = [];
    this.picked = new Set();
    this.paths = new Map();
  }

  // Load the pictures of a scene; what did not change is not loaded again. Resolves to whether the photo is another.
  async take(data) {
    const turn = (this.turn = (this.turn || 0) + 1);
    const [photo, before, index] = await Promise.all([
      this.fetch(data.photo?.file, this.photo),
      this.fetch(data.before, this.before),
      this.fetch(data.index?.file, this.picture?.image),
    ]);
    if (turn !== this.turn) return null; // a newer scene came meanwhile
    const other = !this.photo || this.data.photo?.width !== data.photo.width || this.data.photo?.height !== data.photo.height;
    this.data = data;
    this.photo = photo;
    this.before = before;
    this.regions = data.regions;
    this.byId = new Map(data.regions.map((region) => [region.id, region]));
    if (index && index !== this.picture?.image) {
      const { width, height } = data.index;
      this.picture = { image: index, width, height, sets: namebrush.shapes.readSets(index, width, height) };
    } else if (!index) this.picture = null;
    this.setKey = JSON.stringify(data.sets);
    this.top = data.sets.map((ids) => this.smallest(ids));
    this.paths.clear();
    this.picked = new Set(data.picked.filter((id) => this.byId.has(id)));
    return { other };
  }

  async fetch(file, before) {
    if (!file) return null;
    const url = file.url;
    if (before?.dataset?.from === url) return before;
    const image = new Image();
    image.dataset.from = url;
    image.src = url;
    await image.decode();
    return image;
  }

  // Of regions that overlap the smallest lies on top.
  smallest(ids) {
    let best = null;
    for (const id of ids) {
      const region = this.byId.get(id);
      if (region && (!best || region.area < best.area)) best = region;
    }
    return best;
  }

  setAt(x, y) {
    const { width, height } = this.data.photo || {};
    if (!this.picture || x < 0 || y < 0 || x >= width || y >= height) return 0;
    const px = Math.min(Math.floor((x * this.picture.width) / width), this.picture.width - 1);
    const py = Math.min(Math.floor((y * this.picture.height) / height), this.picture.height - 1);
    return this.picture.sets[py * this.picture.width + px];
  }

  at(x, y) {
    return this.picture ? this.top[this.setAt(x, y)] || null : null;
  }

  // The outline of a region in pixels of the index picture; traced when it is first needed.
  path(region, coarse = false) {
    let path = this.paths.get(region.id);
    if (!path && this.picture) {
      const member = Uint8Array.from(this.data.sets, (ids) => (ids.includes(region.id) ? 1 : 0));
      const fx = this.picture.width / this.data.photo.width;
      const fy = this.picture.height / this.data.photo.height;
      const [x0, y0, x1, y1] = region.box;
      const box = [
        Math.max(0, Math.floor(x0 * fx) - 1), Math.max(0, Math.floor(y0 * fy) - 1),
        Math.min(this.picture.width, Math.ceil(x1 * fx) + 1), Math.min(this.picture.height, Math.ceil(y1 * fy) + 1),
      ];
      path = namebrush.shapes.trace(this.picture, member, box);
      this.paths.set(region.id, path);
    }
    return path ? (coarse ? path.coarse : path.fine) : null;
  }

  // Trace the outlines that nobody asked for yet while the browser has nothing else to do.
  prepare(done) {
    const turn = this.turn;
    const waiting = this.regions.filter((region) => !this.paths.has(region.id));
    const some = () => {
      const start = performance.now();
      while (waiting.length && performance.now() - start < 8) {
        if (turn !== this.turn) return;
        this.path(waiting.pop());
      }
      if (waiting.length) setTimeout(some, 0);
      else if (turn === this.turn) done();
    };
    some();
  }

  pick(ids) {
    this.picked = new Set(ids.filter((id) => this.byId.has(id)));
  }
};
