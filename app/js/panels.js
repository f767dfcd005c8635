// Drawing the panels of a comparison: from one photo and one picture of labels per panel, so that differences, single
// names and what lies under the pointer need no server.
namebrush.panels = (() => {
  const FILL = 0.5; // of a class's colour over the photo
  const KEPT = 0.35; // of the photo where all panels agree

  async function pixelsOf(url) {
    const image = new Image();
    image.src = url;
    await image.decode();
    const canvas = document.createElement('canvas');
    canvas.width = image.naturalWidth;
    canvas.height = image.naturalHeight;
    const context = canvas.getContext('2d', { willReadFrequently: true });
    context.drawImage(image, 0, 0);
    return context.getImageData(0, 0, canvas.width, canvas.height);
  }

  const rgb = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));

  class Panels {
    // `data` is what `app.compare.panels` gives; `load` makes it ready to draw.
    async load(data) {
      const [photo, ...labels] = await Promise.all([data.photo, ...data.panels].map((one) => pixelsOf(one.file.url)));
      this.data = data;
      this.photo = photo;
      this.width = photo.width;
      this.height = photo.height;
      // 0 is no class, else the index of the class plus 1.
      this.labels = labels.map((one) => {
        const index = new Uint16Array(one.width * one.height);
        for (let i = 0; i < index.length; i += 1) index[i] = one.data[4 * i] | (one.data[4 * i + 1] << 8);
        return index;
      });
      this.colors = data.legend.map((one) => rgb(one.color));
      this.any = this.differing(null);
      return this;
    }

    // Where panels differ: all among each other, or each from the panel of this number. One byte a pixel.
    differing(reference, panel = null) {
      const [first, ...rest] = reference === null ? this.labels : [this.labels[reference], this.labels[panel]];
      const differ = new Uint8Array(first.length);
      for (const other of rest) for (let i = 0; i < first.length; i += 1) if (first[i] !== other[i]) differ[i] = 1;
      return differ;
    }

    share(differ) {
      let count = 0;
      for (let i = 0; i < differ.length; i += 1) count += differ[i];
      return count / differ.length;
    }

    nameAt(panel, x, y) {
      const column = Math.min(Math.floor(x * this.width), this.width - 1);
      const row = Math.min(Math.floor(y * this.height), this.height - 1);
      const index = this.labels[panel][row * this.width + column];
      return index ? this.data.legend[index - 1] : null;
    }

    // Draw a panel, or with `panel` null the photo. `differ`: fade all else; `only`: index of the one class shown.
    draw(canvas, panel, { differ = null, only = null, dark = false } = {}) {
      canvas.width = this.width;
      canvas.height = this.height;
      const made = new ImageData(new Uint8ClampedArray(this.photo.data), this.width, this.height);
      if (panel !== null) this.paint(made.data, this.labels[panel], differ, only, dark);
      canvas.getContext('2d').putImageData(made, 0, 0);
    }

    paint(out, labels, differ, only, dark) {
      const { width, colors } = this;
      const last = labels.length - width;
      for (let i = 0, at = 0; i < labels.length; i += 1, at += 4) {
        if (differ && !differ[i]) {
          const grey = (out[at] + out[at + 1] + out[at + 2]) / 3;
          const faded = dark ? grey * KEPT : 255 - (255 - grey) * KEPT;
          out[at] = out[at + 1] = out[at + 2] = faded;
          continue;
        }
        let index = labels[i];
        const right = (i + 1) % width ? labels[i + 1] : index;
        const below = i < last ? labels[i + width] : index;
        const edge = index !== right || index !== below;
        if (edge) index = index || right || below;
        if (!index || (only !== null && index !== only + 1)) continue;
        const color = colors[index - 1];
        const share = edge ? 1 : FILL;
        for (let c = 0; c < 3; c += 1) out[at + c] += (color[c] - out[at + c]) * share;
      }
    }
  }

  return { Panels };
})();
