// Regions in the browser. They arrive as one picture whose pixels number sets of regions (masks may overlap) and the
// list of those sets, so that what lies under the cursor, its outline and its colour need no server.
namebrush.shapes = (() => {
  // Per heading: one step on, and the pixels ahead on the walker's right and left as seen from the corner it stands on.
  const STEP_X = [1, 0, -1, 0];
  const STEP_Y = [0, 1, 0, -1];
  const RIGHT_X = [0, -1, -1, 0];
  const RIGHT_Y = [0, 0, -1, -1];
  const LEFT_X = [0, 0, -1, -1];
  const LEFT_Y = [-1, 0, 0, -1];

  // Red and green hold the number of the set, low byte first.
  function readSets(image, width, height) {
    const canvas = document.createElement('canvas');
    canvas.width = width;
    canvas.height = height;
    const context = canvas.getContext('2d', { willReadFrequently: true });
    context.drawImage(image, 0, 0);
    const bytes = context.getImageData(0, 0, width, height).data;
    const sets = new Uint16Array(width * height);
    for (let i = 0, j = 0; i < sets.length; i += 1, j += 4) sets[i] = bytes[j] | (bytes[j + 1] << 8);
    return sets;
  }

  // Whether a canvas gives back the pixels that were put in; some browsers blur them to guard their users.
  function trusted() {
    try {
      const canvas = document.createElement('canvas');
      canvas.width = 16;
      canvas.height = 1;
      const context = canvas.getContext('2d');
      const put = context.createImageData(16, 1);
      for (let i = 0; i < 64; i += 1) put.data[i] = i % 4 === 3 ? 255 : (i * 37) % 256;
      context.putImageData(put, 0, 0);
      const got = context.getImageData(0, 0, 16, 1).data;
      return typeof Path2D === 'function' && put.data.every((value, i) => value === got[i]);
    } catch (_) {
      return false;
    }
  }

  // Corners closer than this to the last are left out of the path for photos shown smaller than they are.
  const COARSE = 2.5;

  // The closed outlines of a region, along pixel edges, as a path in the picture's pixels, and a coarser one. `member[set]` is 1 where
  // the set holds the region; `box` bounds it. Walks with the inside on the right. Every outline has a top edge, so the
  // top edges that were not walked yet are where the walks start.
  function trace(picture, member, box) {
    const { sets, width } = picture;
    const [x0, y0, x1, y1] = box;
    const wide = x1 - x0;
    const walked = new Uint8Array(wide * (y1 - y0));
    const at = (x, y) => x >= x0 && x < x1 && y >= y0 && y < y1 && member[sets[y * width + x]] === 1;
    const fine = new Path2D();
    const coarse = new Path2D();
    for (let sy = y0; sy < y1; sy += 1) {
      for (let sx = x0; sx < x1; sx += 1) {
        if (!at(sx, sy) || walked[(sy - y0) * wide + sx - x0] || at(sx, sy - 1)) continue;
        let x = sx;
        let y = sy;
        let heading = 0; // 0 right, 1 down, 2 left, 3 up
        fine.moveTo(x, y);
        coarse.moveTo(x, y);
        let lastX = x;
        let lastY = y;
        do {
          if (heading === 0) walked[(y - y0) * wide + x - x0] = 1;
          x += STEP_X[heading];
          y += STEP_Y[heading];
          let turn = 0;
          if (!at(x + RIGHT_X[heading], y + RIGHT_Y[heading])) turn = 1;
          else if (at(x + LEFT_X[heading], y + LEFT_Y[heading])) turn = 3;
          if (turn) {
            fine.lineTo(x, y);
            if (Math.abs(x - lastX) + Math.abs(y - lastY) > COARSE) {
              coarse.lineTo(x, y);
              lastX = x;
              lastY = y;
            }
          }
          heading = (heading + turn) % 4;
        } while (x !== sx || y !== sy || heading !== 0);
        fine.closePath();
        coarse.closePath();
      }
    }
    return { fine, coarse };
  }

  return { readSets, trusted, trace };
})();
