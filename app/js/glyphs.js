// Points, boxes, names: drawn in screen pixels, so that they keep their size at any zoom and read on any photo.
namebrush.glyphs = (() => {
  const DARK = 'rgba(20,18,16,.9)';

  // Positive: a filled disc with a light ring. Negative: a ring with a bar.
  function point(context, x, y, label, color) {
    context.save();
    context.beginPath();
    context.arc(x, y, 5.5, 0, 2 * Math.PI);
    context.fillStyle = label ? color : DARK;
    context.fill();
    context.lineWidth = 4;
    context.strokeStyle = DARK;
    context.stroke();
    context.lineWidth = 2;
    context.strokeStyle = '#fff';
    context.stroke();
    if (!label) {
      context.beginPath();
      context.moveTo(x - 3, y);
      context.lineTo(x + 3, y);
      context.stroke();
    }
    context.restore();
  }

  // A thin frame with corner ticks.
  function box(context, x0, y0, x1, y1, color) {
    const arm = Math.min(9, (x1 - x0) / 3, (y1 - y0) / 3);
    const ticks = new Path2D();
    for (const [x, y, sx, sy] of [[x0, y0, 1, 1], [x1, y0, -1, 1], [x0, y1, 1, -1], [x1, y1, -1, -1]]) {
      ticks.moveTo(x + sx * arm, y);
      ticks.lineTo(x, y);
      ticks.lineTo(x, y + sy * arm);
    }
    const frame = new Path2D();
    frame.rect(x0, y0, x1 - x0, y1 - y0);
    context.save();
    for (const [path, width, style] of [[frame, 3, DARK], [frame, 1, color], [ticks, 5, DARK], [ticks, 3, '#fff']]) {
      context.lineWidth = width;
      context.strokeStyle = style;
      context.stroke(path);
    }
    context.restore();
  }

  // A square to take hold of.
  function handle(context, x, y) {
    context.save();
    context.lineWidth = 1.5;
    context.strokeStyle = DARK;
    context.fillStyle = '#fff';
    context.beginPath();
    context.rect(x - 4, y - 4, 8, 8);
    context.fill();
    context.stroke();
    context.restore();
  }

  // A dashed frame around what is moved.
  function frame(context, x0, y0, x1, y1) {
    context.save();
    for (const [width, style, dash] of [[3, DARK, []], [1.25, '#fff', [5, 4]]]) {
      context.lineWidth = width;
      context.strokeStyle = style;
      context.setLineDash(dash);
      context.strokeRect(x0, y0, x1 - x0, y1 - y0);
    }
    context.restore();
  }

  // A disc with a number: a part of what is to be split.
  function number(context, x, y, value) {
    context.save();
    context.beginPath();
    context.arc(x, y, 9, 0, 2 * Math.PI);
    context.fillStyle = '#fff';
    context.strokeStyle = DARK;
    context.lineWidth = 2.5;
    context.fill();
    context.stroke();
    context.font = '600 12px system-ui, sans-serif';
    context.textAlign = 'center';
    context.textBaseline = 'middle';
    context.fillStyle = '#111';
    context.fillText(value, x, y + 0.5);
    context.restore();
  }

  function prompt(context, view, region) {
    const at = (x, y) => [x * view.scale + view.left, y * view.scale + view.top];
    if (region.prompt_box) {
      const [x0, y0, x1, y1] = region.prompt_box;
      box(context, ...at(x0, y0), ...at(x1, y1), region.color);
    }
    for (const [x, y, label] of region.points) point(context, ...at(x + 0.5, y + 0.5), label, region.color);
  }

  // A plate with a name; not drawn where it would cover one of `taken`.
  function label(context, text, x, y, color, taken) {
    context.save();
    context.font = '500 12px system-ui, sans-serif';
    const wide = Math.min(context.measureText(text).width, 180) + 10;
    const place = [x - wide / 2, y - 10, x + wide / 2, y + 10];
    const covers = taken.some((o) => o[0] < place[2] && place[0] < o[2] && o[1] < place[3] && place[1] < o[3]);
    if (!covers) {
      taken.push(place);
      context.beginPath();
      context.roundRect(place[0], place[1], wide, 20, 4);
      context.fillStyle = color;
      context.fill();
      context.lineWidth = 1;
      context.strokeStyle = 'rgba(0,0,0,.45)';
      context.stroke();
      context.fillStyle = light(color) ? '#111' : '#fff';
      context.textBaseline = 'middle';
      context.textAlign = 'center';
      context.fillText(text, x, y + 0.5, wide - 8);
    }
    context.restore();
  }

  // Whether dark letters read better on a colour than light ones (relative luminance, WCAG 2).
  function light(color) {
    const value = parseInt(color.slice(1), 16);
    const linear = [value >> 16, (value >> 8) & 255, value & 255].map((c) => {
      const share = c / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2] > 0.179;
  }

  // What is being drawn: a box, points that wait for their mask, strokes, and the brush's edge under the pointer.
  function drawing(context, view, { box: frame, points = [], strokes = [], brush, erase }) {
    const at = (x, y) => [x * view.scale + view.left, y * view.scale + view.top];
    for (const stroke of strokes) {
      context.save();
      context.lineCap = context.lineJoin = 'round';
      context.lineWidth = Math.max(1, 2 * stroke.radius * view.scale);
      context.strokeStyle = stroke.erase ? 'rgba(20,18,16,.6)' : 'rgba(255,255,255,.6)';
      context.beginPath();
      stroke.points.forEach(([x, y], i) => (i ? context.lineTo(...at(x, y)) : context.moveTo(...at(x, y))));
      if (stroke.points.length === 1) context.lineTo(at(...stroke.points[0])[0] + 0.01, at(...stroke.points[0])[1]);
      context.stroke();
      context.restore();
    }
    if (frame) {
      const [x0, y0, x1, y1] = frame;
      box(context, ...at(Math.min(x0, x1), Math.min(y0, y1)), ...at(Math.max(x0, x1), Math.max(y0, y1)), '#fff');
    }
    for (const [x, y, label] of points) point(context, ...at(x + 0.5, y + 0.5), label, '#fff');
    if (brush) {
      const [x, y] = at(brush.x, brush.y);
      for (const [width, style] of [[3, DARK], [1.25, erase ? '#f4a07f' : '#fff']]) {
        context.lineWidth = width;
        context.strokeStyle = style;
        context.beginPath();
        context.arc(x, y, Math.max(1, brush.radius * view.scale), 0, 2 * Math.PI);
        context.stroke();
      }
    }
  }

  return { prompt, label, drawing, point, box, handle, frame, number };
})();
