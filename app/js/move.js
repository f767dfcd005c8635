// Moving what is picked: its pixels follow the hand, a corner changes their size, and the fields of the change follow.
// The server gets nothing of it but those fields, when Change is pressed.
namebrush.move = (scene, view, painter, redraw) => {
  const { on, $ } = namebrush;
  const FIELDS = ['dx', 'dy', 'scale'];
  const field = (name) => $(`#edit-${name} input`);
  let chosen = false; // the kind of change
  let lifted = null; // the picked pixels: a canvas, and where they lie
  let to = { dx: 0, dy: 0, scale: 1 };
  let photo = null;
  let writing = false; // the fields are being told, not telling

  const active = () => chosen && scene.picked.size > 0 && painter.wipe === null && scene.picture;

  // The field belongs to Gradio: it hears of a new value as if it had been typed.
  function write(name, value) {
    const input = field(name);
    if (!input || Number(input.value) === value) return;
    input.value = value;
    input.dispatchEvent(new Event('input', { bubbles: true }));
    input.dispatchEvent(new Event('change', { bubbles: true }));
  }
  function put(next) {
    to = { ...to, ...next };
    writing = true;
    for (const name of FIELDS) write(name, to[name]);
    writing = false;
    redraw();
  }
  function read() {
    if (writing) return;
    for (const name of FIELDS) {
      const value = Number(field(name)?.value);
      if (Number.isFinite(value) && (name !== 'scale' || value > 0)) to[name] = value;
    }
    redraw();
  }

  function bounds() {
    const boxes = [...scene.picked].map((id) => scene.byId.get(id).box);
    return [0, 1, 2, 3].map((i) => (i < 2 ? Math.min : Math.max)(...boxes.map((box) => box[i])));
  }

  // The picked pixels, cut out once per pick.
  function lift() {
    const key = `${scene.data.stamp} ${[...scene.picked]}`;
    if (lifted?.key === key) return lifted;
    const [x0, y0, x1, y1] = bounds();
    const most = 1600 / Math.max(x1 - x0, y1 - y0, 1600);
    const canvas = document.createElement('canvas');
    canvas.width = Math.max(1, Math.round((x1 - x0) * most));
    canvas.height = Math.max(1, Math.round((y1 - y0) * most));
    const context = canvas.getContext('2d');
    context.scale(most, most);
    context.translate(-x0, -y0);
    const path = painter.pickedPath();
    context.clip(path);
    context.drawImage(scene.photo, 0, 0, scene.data.photo.width, scene.data.photo.height);
    lifted = { key, canvas, path, box: [x0, y0, x1, y1] };
    return lifted;
  }

  // Where it lies now: scaled about the middle of its bounds, as the engine does it.
  function place() {
    const [x0, y0, x1, y1] = lift().box;
    const [cx, cy] = [(x0 + x1) / 2 + to.dx, (y0 + y1) / 2 + to.dy];
    const [w, h] = [((x1 - x0) / 2) * to.scale, ((y1 - y0) / 2) * to.scale];
    return [cx - w, cy - h, cx + w, cy + h];
  }

  function grab(x, y, touch) {
    if (!active()) return null;
    const box = place();
    const [cx, cy] = [(box[0] + box[2]) / 2, (box[1] + box[3]) / 2];
    const reach = (touch ? 20 : 10) / view.scale;
    const corner = [[0, 1], [2, 1], [2, 3], [0, 3]].find(([i, j]) => Math.hypot(box[i] - x, box[j] - y) < reach);
    const start = { ...to };
    if (corner) {
      const far = Math.hypot(x - cx, y - cy) || 1;
      return {
        tip: 'tip_scale',
        move(px, py) { put({ scale: Math.round(namebrush.clamp((start.scale * Math.hypot(px - cx, py - cy)) / far, 0.05, 20) * 100) / 100 }); },
        drop() {},
      };
    }
    if (x < box[0] || x > box[2] || y < box[1] || y > box[3]) return null;
    return { tip: 'tip_move', move(px, py) { put({ dx: Math.round(start.dx + px - x), dy: Math.round(start.dy + py - y) }); }, drop() {} };
  }

  function draw(context) {
    if (!active()) return false;
    const { canvas, path } = lift();
    const [x0, y0, x1, y1] = place();
    context.save();
    painter.place(context);
    context.beginPath();
    context.rect(0, 0, view.width, view.height);
    context.clip();
    if (to.dx || to.dy || to.scale !== 1) {
      context.fillStyle = 'rgba(20,18,16,.45)';
      context.fill(path);
    }
    context.imageSmoothingQuality = 'high';
    context.drawImage(canvas, x0, y0, x1 - x0, y1 - y0);
    context.restore();
    const at = (x, y) => [x * view.scale + view.left, y * view.scale + view.top];
    const [left, top] = at(x0, y0);
    const [right, bottom] = at(x1, y1);
    context.setTransform(painter.ratio, 0, 0, painter.ratio, 0, 0);
    namebrush.glyphs.frame(context, left, top, right, bottom);
    for (const [x, y] of [[left, top], [right, top], [right, bottom], [left, bottom]]) namebrush.glyphs.handle(context, x, y);
    return true;
  }

  document.addEventListener('change', (e) => {
    if (!e.target.closest?.('#kind')) return;
    chosen = e.target.value === 'move';
    namebrush.tell('moving', chosen);
    redraw();
  });
  document.addEventListener('input', (e) => {
    if (FIELDS.some((name) => e.target.closest?.(`#edit-${name}`))) read();
  });
  on('scene', (data) => { // what was moved lies there now
    if (photo && data.photo.file.url !== photo && chosen) {
      put({ dx: 0, dy: 0, scale: 1 });
      // On a slow machine the fields may still be told what was asked; what a person types meanwhile is in `to` already.
      for (const late of [100, 400, 1000]) setTimeout(() => put({}), late);
    }
    photo = data.photo.file.url;
  });

  return { grab, draw, get active() { return Boolean(active()); } };
};
