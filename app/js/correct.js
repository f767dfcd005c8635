// The picked mask's own prompt as things to take hold of: points and the box's corners can be dragged, the box taken
// away or set anew; and the points that say where a mask is to be split. Knows no server: `ask` asks for the mask.
namebrush.correct = (scene, view, bar, ask, redraw) => {
  const { on, tell, $ } = namebrush;
  let held = null; // the prompt as it is while something of it is dragged
  let seeds = null; // where parts are, while a mask is being split
  let off = false; // something else has the picked mask in hand

  const one = () => (!off && scene.picked.size === 1 ? scene.byId.get([...scene.picked][0]) : null);
  const near = (x, y, [px, py], reach) => Math.hypot(px - x, py - y) * view.scale <= reach;

  // The box's handles: place, and which of its sides each moves.
  function handles([x0, y0, x1, y1]) {
    if (Math.min(x1 - x0, y1 - y0) * view.scale < 40) return [];
    const [mx, my] = [(x0 + x1) / 2, (y0 + y1) / 2];
    return [[x0, y0, 1, 1, 0, 0], [mx, y0, 0, 1, 0, 0], [x1, y0, 0, 1, 1, 0], [x1, my, 0, 0, 1, 0],
      [x1, y1, 0, 0, 1, 1], [mx, y1, 0, 0, 0, 1], [x0, y1, 1, 0, 0, 1], [x0, my, 1, 0, 0, 0]];
  }

  function grab(x, y, touch) {
    const region = one();
    if (!region || seeds) return null;
    const reach = touch ? 18 : 8;
    const point = region.points.find(([px, py]) => near(x, y, [px + 0.5, py + 0.5], reach));
    if (point) return pointHeld(region, point);
    const handle = region.prompt_box && handles(region.prompt_box).find((at) => near(x, y, at, reach));
    return handle ? boxHeld(region, handle) : null;
  }

  function pointHeld(region, point) {
    let to = null;
    return {
      tip: 'tip_point',
      move(x, y) {
        to = [Math.floor(x), Math.floor(y), point[2]];
        held = { ...region, points: region.points.map((p) => (p === point ? to : p)) };
      },
      drop(moved) {
        held = null;
        if (moved && to) ask({ remove: [point[0], point[1]], points: [to] });
      },
    };
  }

  function boxHeld(region, [, , left, top, right, bottom]) {
    let box = null;
    return {
      tip: 'tip_frame',
      move(x, y) {
        const [x0, y0, x1, y1] = region.prompt_box;
        box = [left ? Math.min(x, x1 - 3) : x0, top ? Math.min(y, y1 - 3) : y0, right ? Math.max(x, x0 + 3) : x1, bottom ? Math.max(y, y0 + 3) : y1];
        held = { ...region, prompt_box: box };
      },
      drop(moved) {
        held = null;
        if (moved && box) ask({ frame: box });
      },
    };
  }

  function draw(context) {
    const region = held || one();
    const { glyphs } = namebrush;
    if (region) {
      glyphs.prompt(context, view, region);
      const at = region.prompt_box ? handles(region.prompt_box) : [];
      for (const [x, y] of at) glyphs.handle(context, x * view.scale + view.left, y * view.scale + view.top);
    }
    (seeds || []).forEach(([x, y], i) => glyphs.number(context, x * view.scale + view.left, y * view.scale + view.top, i + 1));
  }

  // A click while a mask is being split names one of its parts.
  function click(x, y) {
    if (!seeds) return false;
    const hit = seeds.findIndex((at) => near(x, y, at, 9));
    if (hit >= 0) seeds.splice(hit, 1);
    else seeds.push([Math.floor(x), Math.floor(y)]);
    tell('seeds', seeds.length);
    redraw();
    return true;
  }

  // What `Split` is to do: with parts named, split there; else split what is not connected, and let parts be named.
  function split() {
    const named = seeds || [];
    seeds = named.length > 1 ? null : named;
    tell('seeds', seeds?.length ?? null);
    redraw();
    return named.length > 1 ? named : [];
  }

  function end() {
    held = null;
    if (!seeds) return;
    seeds = null;
    tell('seeds', null);
  }

  // The bar on the photo ------------------------------------------------------------------------------------------
  function show() {
    const region = one();
    bar.hidden = !region;
    if (!region) return;
    $('.nbc-who', bar).textContent = region.title;
    $('[data-do=frame]', bar).setAttribute('aria-pressed', Boolean(region.prompt_box));
    dodge();
  }
  // The bar lies where the mask does not, if there is such a place.
  function dodge() {
    const region = one();
    if (!region) return;
    const [left, top] = [region.box[0] * view.scale + view.left, region.box[1] * view.scale + view.top];
    const low = top < 56 && left < 440 && region.box[3] * view.scale + view.top < view.boxHeight - 56;
    bar.classList.toggle('nbc-low', low);
  }
  function frame() {
    const region = one();
    if (region) ask({ frame: region.prompt_box ? false : region.box });
  }
  let count = 0;
  let last = '';
  on('picked', (ids) => {
    if (String(ids) !== last) end();
    last = String(ids);
    show();
  });
  on('scene', (data) => { if (data.regions.length !== count) end(); count = data.regions.length; show(); });
  on('lang', show);

  return {
    grab, draw, click, split, end, frame, dodge,
    set off(value) { if (value !== off) { off = value; show(); } },
  };
};
