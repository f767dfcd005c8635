// Pointer, wheel and keys on the canvas, as gestures: hover, click, box, stroke, pan, zoom. Knows no server.
namebrush.Hands = class {
  // `act` is told: hover(x, y), leave(), click(x, y, shift), box([x0, y0, x1, y1]), stroke(points), moved(), redraw().
  // `act.grab(x, y)` gives what can be dragged at a place of the photo: {move(x, y), drop(moved)}, or null.
  constructor(area, view, act) {
    Object.assign(this, { area, view, act });
    this.tool = 'pick';
    this.pointers = new Map();
    this.press = this.drag = this.corner = this.cursor = this.frame = null;
    const on = (name, handler, options) => area.addEventListener(name, handler.bind(this), options);
    on('pointerdown', this.down);
    on('pointermove', this.move);
    // Where the browser tells of every movement at once, hovering need not wait for the next frame.
    this.raw = 'onpointerrawupdate' in area;
    if (this.raw) on('pointerrawupdate', this.point);
    on('pointerup', this.up);
    on('pointercancel', this.cancel);
    on('pointerleave', () => { if (!this.drag) { this.cursor = null; act.leave(); } });
    on('wheel', this.wheel, { passive: false });
    on('dblclick', (e) => e.preventDefault());
    on('keydown', this.key);
    on('blur', () => area.style.removeProperty('outline'));
    on('auxclick', (e) => e.preventDefault());
    // Asking where the canvas lies makes the browser lay the page out, so it is asked only when that may have changed.
    const lost = () => { this.frame = null; };
    new ResizeObserver(lost).observe(document.body);
    new ResizeObserver(lost).observe(area);
    window.addEventListener('scroll', lost, { capture: true, passive: true });
    on('pointerenter', lost);
  }

  place(e) {
    this.frame ??= this.area.getBoundingClientRect();
    return [e.clientX - this.frame.left, e.clientY - this.frame.top];
  }

  point(e) {
    if (!this.drag && !this.press && !this.pointers.size && !e.target.closest('[data-own]')) this.act.hover(...this.place(e));
  }

  down(e) {
    if (e.target.closest('[data-own]')) return; // a control that lies on the canvas
    this.frame = null;
    const [x, y] = this.place(e);
    this.pointers.set(e.pointerId, [x, y]);
    this.area.setPointerCapture(e.pointerId);
    this.area.focus({ preventScroll: true });
    this.area.style.setProperty('outline', 'none', 'important'); // whose hand is on it needs no ring to see where they are
    this.cursor = null;
    if (this.pointers.size === 2) {
      this.drag?.held?.drop(false);
      this.press = null;
      this.drag = { kind: 'pinch', ...this.spread() };
      this.act.redraw();
      return;
    }
    let held = null;
    if (e.button === 1 || this.space || this.tool === 'hand') this.drag = { kind: 'pan', x, y };
    else if (e.button !== 0) return;
    else if ((held = this.act.grab(...this.view.toPhoto(x, y), e.pointerType === 'touch'))) this.drag = { kind: 'held', held, x, y, moved: false, shift: e.shiftKey };
    else if (this.tool === 'brush' || this.tool === 'erase') this.drag = { kind: 'stroke', points: [this.view.toPhoto(x, y)] };
    else this.press = { x, y, shift: e.shiftKey, touch: e.pointerType === 'touch' };
    this.act.redraw();
  }

  spread() {
    const [[ax, ay], [bx, by]] = [...this.pointers.values()];
    return { x: (ax + bx) / 2, y: (ay + by) / 2, apart: Math.hypot(ax - bx, ay - by) || 1 };
  }

  move(e) {
    const [x, y] = this.place(e);
    if (this.pointers.has(e.pointerId)) this.pointers.set(e.pointerId, [x, y]);
    const { drag, press } = this;
    if (drag?.kind === 'pinch') {
      if (this.pointers.size < 2) return;
      const now = this.spread();
      this.view.zoom(now.apart / drag.apart, now.x, now.y);
      this.view.pan(now.x - drag.x, now.y - drag.y);
      Object.assign(drag, now);
      this.act.moved();
    } else if (drag?.kind === 'pan') {
      this.view.pan(x - drag.x, y - drag.y);
      Object.assign(drag, { x, y });
      this.act.moved();
    } else if (drag?.kind === 'held') {
      drag.moved ||= Math.hypot(x - drag.x, y - drag.y) > 3;
      if (drag.moved) drag.held.move(...this.view.toPhoto(x, y));
      this.act.redraw();
    } else if (drag?.kind === 'stroke') {
      for (const one of e.getCoalescedEvents?.() || [e]) drag.points.push(this.view.toPhoto(...this.place(one)));
      this.act.redraw();
    } else if (drag?.kind === 'box') {
      [drag.x, drag.y] = this.view.toPhoto(x, y);
      this.act.redraw();
    } else if (press && Math.hypot(x - press.x, y - press.y) > (press.touch ? 10 : 4)) {
      if (press.touch && this.tool !== 'box') this.drag = { kind: 'pan', x, y };
      else if (this.tool === 'pick' || this.tool === 'box') {
        const [x0, y0] = this.view.toPhoto(press.x, press.y);
        const [x1, y1] = this.view.toPhoto(x, y);
        this.drag = { kind: 'box', x0, y0, x: x1, y: y1 };
        this.corner = null;
      }
      this.press = this.drag ? null : press;
    } else if (!drag && !this.raw && !e.target.closest('[data-own]')) this.act.hover(x, y);
  }

  up(e) {
    this.pointers.delete(e.pointerId);
    const { drag, press } = this;
    if (drag?.kind === 'pinch' && this.pointers.size) return;
    this.drag = this.press = null;
    if (drag?.kind === 'box') this.finish([drag.x0, drag.y0], [drag.x, drag.y]);
    else if (drag?.kind === 'held') {
      drag.held.drop(drag.moved);
      if (!drag.moved) this.click(drag.x, drag.y, drag.shift);
    }
    else if (drag?.kind === 'stroke') this.act.stroke(drag.points);
    else if (press) this.click(press.x, press.y, press.shift);
    this.act.redraw();
  }

  cancel(e) {
    this.pointers.delete(e.pointerId);
    this.drag?.held?.drop(false);
    this.drag = this.press = null;
    this.act.redraw();
  }

  // A box can also be made by two clicks on opposite corners, for whoever cannot drag.
  click(x, y, shift) {
    const at = this.view.toPhoto(x, y);
    if (this.tool !== 'box') return this.act.click(at[0], at[1], shift);
    if (!this.corner) {
      this.corner = at;
      this.act.corner();
    } else {
      const first = this.corner;
      this.corner = null;
      this.finish(first, at);
    }
  }

  finish([ax, ay], [bx, by]) {
    const box = [Math.min(ax, bx), Math.min(ay, by), Math.max(ax, bx), Math.max(ay, by)];
    if (box[2] - box[0] >= 2 && box[3] - box[1] >= 2) this.act.box(box);
  }

  // The wheel zooms; zooming out further than the whole photo scrolls the page instead.
  wheel(e) {
    if (e.target.closest('[data-own]')) return;
    if (e.deltaY > 0 && this.view.fitted && !e.ctrlKey) return;
    e.preventDefault();
    const [x, y] = this.place(e);
    const step = e.deltaMode === 1 ? e.deltaY * 16 : e.deltaY;
    this.view.zoom(Math.exp(-namebrush.clamp(step, -200, 200) * (e.ctrlKey ? 0.01 : 0.002)), x, y);
    this.act.moved();
  }

  // With the canvas focused, the arrows move a cross and Space uses the tool there.
  key(e) {
    this.area.style.removeProperty('outline');
    if (e.target !== this.area || e.ctrlKey || e.metaKey || e.altKey) return;
    const step = e.shiftKey ? 1 : 12;
    const steps = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] };
    if (steps[e.key]) {
      this.cursor ??= [this.view.boxWidth / 2, this.view.boxHeight / 2];
      this.cursor = [
        namebrush.clamp(this.cursor[0] + steps[e.key][0], 0, this.view.boxWidth - 1),
        namebrush.clamp(this.cursor[1] + steps[e.key][1], 0, this.view.boxHeight - 1),
      ];
      this.act.hover(...this.cursor);
    } else if ((e.key === ' ' || e.key === 'Enter') && this.cursor) {
      if (this.tool === 'brush' || this.tool === 'erase') this.act.stroke([this.view.toPhoto(...this.cursor)]);
      else this.click(...this.cursor, e.shiftKey);
    } else return;
    e.preventDefault();
    e.stopPropagation();
  }
};
