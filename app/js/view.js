// Where the photo is on the screen: one scale and one offset, in CSS pixels. Knows nothing of what is drawn.
namebrush.View = class {
  constructor() {
    this.width = this.height = 1; // of the photo
    this.boxWidth = this.boxHeight = 1; // of the well it lies in
    this.scale = 1;
    this.left = this.top = 0;
    this.fitted = true;
  }

  get fitScale() {
    return Math.min(this.boxWidth / this.width, this.boxHeight / this.height);
  }

  fit() {
    this.scale = this.fitScale;
    this.fitted = true;
    this.settle();
  }

  resize(boxWidth, boxHeight) {
    const cx = (this.boxWidth / 2 - this.left) / this.scale;
    const cy = (this.boxHeight / 2 - this.top) / this.scale;
    this.boxWidth = boxWidth;
    this.boxHeight = boxHeight;
    if (this.fitted) return this.fit();
    this.left = boxWidth / 2 - cx * this.scale;
    this.top = boxHeight / 2 - cy * this.scale;
    this.settle();
  }

  // Multiply the scale, the point x, y of the screen staying where it is.
  zoom(factor, x = this.boxWidth / 2, y = this.boxHeight / 2) {
    const most = Math.max(32, 4 * this.fitScale);
    const scale = namebrush.clamp(this.scale * factor, this.fitScale, most);
    this.left = x - ((x - this.left) / this.scale) * scale;
    this.top = y - ((y - this.top) / this.scale) * scale;
    this.scale = scale;
    this.fitted = scale <= this.fitScale * 1.0001;
    this.settle();
  }

  pan(dx, dy) {
    this.left += dx;
    this.top += dy;
    this.settle();
  }

  // The photo never leaves the well: what is smaller than it stays in its middle.
  settle() {
    const wide = this.width * this.scale;
    const high = this.height * this.scale;
    const place = (offset, size, box) =>
      size <= box + 0.5 ? (box - size) / 2 : namebrush.clamp(offset, box - size, 0);
    this.left = place(this.left, wide, this.boxWidth);
    this.top = place(this.top, high, this.boxHeight);
  }

  toPhoto(x, y) {
    return [(x - this.left) / this.scale, (y - this.top) / this.scale];
  }

  // Show this part of the photo, with some room around it.
  show([x0, y0, x1, y1]) {
    const scale = 0.7 * Math.min(this.boxWidth / (x1 - x0), this.boxHeight / (y1 - y0));
    this.scale = namebrush.clamp(scale, this.fitScale, Math.max(4, this.fitScale));
    this.fitted = this.scale <= this.fitScale * 1.0001;
    this.left = this.boxWidth / 2 - ((x0 + x1) / 2) * this.scale;
    this.top = this.boxHeight / 2 - ((y0 + y1) / 2) * this.scale;
    this.settle();
  }
};
