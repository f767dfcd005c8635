// The canvas component: a scene, its painter and the hands on it, tied to the toolbar, the list and the server.
namebrush.canvas = (() => {
  const { on, tell, $, $$, t, kept, keep, make, clamp } = namebrush;
  const TOOLS = { v: 'pick', a: 'add', s: 'subtract', b: 'box', p: 'brush', e: 'erase', h: 'hand' };
  const LAYERS = { f: 'fill', o: 'outline', n: 'names', r: 'prompts', c: 'scores' };

  function mount(element, props, trigger, watch) {
    if (!namebrush.shapes.trusted() || new URLSearchParams(location.search).has('plain')) {
      document.body.classList.add('nb-plain');
      trigger('plain', {});
      on('remove', () => trigger('remove', { ids: null }));
      return;
    }
    const area = $('.nbc-view', element);
    const scene = new namebrush.Scene();
    const view = new namebrush.View();
    const painter = new namebrush.Painter(scene, view, $('.nbc-under', area), $('.nbc-over', area));
    const tip = $('.nbc-tip', area);
    const live = $('.nbc-live', element);
    let hovered = null;
    let waiting = null; // what was asked of the server and is shown until it answers
    const asks = []; // what is to be asked after that
    let grip = null; // the sentence about what can be dragged where the pointer is
    let radius = Number(kept('brush')) || 12;
    let explain = false;
    let turn = 0; // numbers the picks, so that one that overtakes another on its way is known as older
    let last = [0, 0];
    Object.assign(painter.layers, JSON.parse(kept('layers') || '{}'));
    painter.fade = Number(kept('fade') ?? painter.fade);
    painter.patterns = kept('patterns') === '1';

    // Drawing ---------------------------------------------------------------------------------------------------------
    let dirty = false;
    const redraw = () => { if (!dirty) { dirty = true; requestAnimationFrame(() => { dirty = false; painter.drawUnder(); over(); }); } };
    function over() {
      const { drag, corner, cursor, tool } = hands;
      const drawing = { points: waiting?.points, box: waiting?.box || waiting?.frame, strokes: waiting?.strokes || [] };
      if (drag?.kind === 'box') drawing.box = [drag.x0, drag.y0, drag.x, drag.y];
      else if (corner) drawing.box = [...corner, ...view.toPhoto(...last)];
      const size = radius / view.scale;
      if (drag?.kind === 'stroke') drawing.strokes = [{ points: drag.points, radius: size, erase: tool === 'erase' }];
      const [x, y] = view.toPhoto(...last);
      if (tool === 'brush' || tool === 'erase') Object.assign(drawing, { brush: { x, y, radius: size }, erase: tool === 'erase' });
      else if (cursor) drawing.points = [...(drawing.points || []), [x - 0.5, y - 0.5, tool === 'subtract' ? 0 : 1]];
      painter.drawOver(hovered, drawing, tools);
    }
    let still = 0;
    const moved = () => {
      requestAnimationFrame(() => { painter.drawQuick(); over(); });
      clearTimeout(still);
      still = setTimeout(redraw, 140);
      touch();
      correct.dodge();
      wipeTo(painter.wipe, false);
      const share = scene.photo ? view.scale * painter.ratio : 1;
      $('.nbc-zoom', element).textContent = Math.round(share * 100) + ' %';
    };
    function resize() {
      const { width, height } = area.getBoundingClientRect();
      if (!width || !height) return;
      painter.resize(width, height);
      view.resize(width, height);
      moved();
      redraw();
    }
    new ResizeObserver(resize).observe(area);
    setInterval(() => { // the picked outline moves, unless motion is not wanted
      if (!scene.picked.size || namebrush.calm() || document.hidden) return;
      painter.dash = (painter.dash + 1) % 1100;
      over();
    }, 90);

    // Hover, pick, ask ------------------------------------------------------------------------------------------------
    // Runs at every movement of the pointer: draws at once, and asks the page for no place or size.
    function hover(x, y) {
      last = [x, y];
      const [px, py] = view.toPhoto(x, y);
      const held = grab(px, py)?.tip ?? null;
      const region = painter.wipe === null ? scene.at(px, py) : null;
      if (explain) tell('point', { x: px, y: py });
      const other = region !== hovered;
      hovered = region;
      if (other || hands.cursor || hands.corner || hands.tool === 'brush' || hands.tool === 'erase') over();
      if (held !== grip) { grip = held; area.classList.toggle('nbc-grip', Boolean(grip)); }
      showTip(region, x, y);
      if (other) tell('hover', { id: region?.id ?? null, from: 'canvas' });
    }
    let tipped = null;
    function showTip(region, x, y) {
      const what = grip || region;
      tip.hidden = !what;
      if (!what) { tipped = null; return; }
      if (what !== tipped) {
        tipped = what;
        if (grip) tip.textContent = t(grip);
        else tip.replaceChildren(make('b', {}, region.title), ` ${region.score === null ? '' : `${region.score.toFixed(2)} · `}${region.made}${region.accepted ? ' ✓' : ''}`);
      }
      const left = x > view.boxWidth * 0.6 ? `calc(${x - 14}px - 100%)` : `${x + 14}px`;
      tip.style.transform = `translate(${left}, ${y > 44 ? y - 34 : y + 20}px)`;
    }
    const say = (text) => { live.textContent = text; };
    const said = (region) => `${region.title}, ${region.score === null ? '' : `${t('score')} ${region.score.toFixed(2)}, `}${t('edges_by')} ${region.made}`;
    function pick(ids, quiet = false) {
      scene.pick(ids);
      correct.off = move.active;
      over();
      tell('picked', [...scene.picked]);
      // Told to the server once the pick is on the screen.
      if (!quiet) setTimeout(() => trigger('pick', { ids: [...scene.picked], turn: (turn += 1) }), 0);
    }
    function click(x, y, shift) {
      giveWay();
      if (correct.click(x, y)) return;
      if (explain) tell('point', { x, y });
      if (explain) return tell('explain', { x, y, region: scene.at(x, y)?.id ?? null });
      if (hands.tool === 'pick') {
        const region = scene.at(x, y);
        if (!region) return shift ? null : pick([]);
        const picked = new Set(scene.picked);
        if (shift) picked.has(region.id) ? picked.delete(region.id) : picked.add(region.id);
        pick(shift ? [...picked] : picked.size === 1 && picked.has(region.id) ? [] : [region.id]);
        say(scene.picked.has(region.id) ? `${said(region)}: ${t('picked')}` : `${region.title}: ${t('not_picked')}`);
      } else if (hands.tool !== 'hand' && !drop(x, y)) ask({ points: [[Math.floor(x), Math.floor(y), hands.tool === 'add' ? 1 : 0]] });
    }
    // A click on a point that made the picked mask takes that point away.
    function drop(x, y) {
      const region = scene.picked.size === 1 && scene.byId.get([...scene.picked][0]);
      const hit = region && region.points.find(([px, py]) => Math.hypot(px + 0.5 - x, py + 0.5 - y) * view.scale < 8);
      if (hit) ask({ remove: [hit[0], hit[1]], points: [] });
      return Boolean(hit);
    }
    // One after the other, so that each starts from the mask the last one made.
    function ask(what) {
      asks.push(what);
      if (!waiting) next();
    }
    function next() {
      waiting = asks.shift() || null;
      over();
      if (waiting) trigger('ask', { ...waiting, ids: [...scene.picked], stamp: scene.data.stamp });
    }
    function grab(x, y, touch) {
      if (explain || painter.wipe !== null) return null;
      if (hands.tool === 'pick') return move.grab(x, y, touch) || correct.grab(x, y, touch);
      return hands.tool === 'add' || hands.tool === 'subtract' ? correct.grab(x, y, touch) : null;
    }
    const act = {
      hover, moved, click, grab, redraw: over,
      leave: () => { hovered = grip = null; tip.hidden = true; over(); tell('hover', { id: null, from: 'canvas' }); },
      corner: () => say(t('opposite_corner')),
      box: (box) => { giveWay(); if (!explain) ask({ box }); },
      stroke: (points) => ask({ strokes: [{ points: thinned(points, view.scale), radius: radius / view.scale, erase: hands.tool === 'erase' }] }),
    };
    const hands = new namebrush.Hands(area, view, act);
    const move = namebrush.move(scene, view, painter, () => { correct.off = move.active; over(); });
    const correct = namebrush.correct(scene, view, $('.nbc-correct', area), ask, over);
    const tools = [move, correct];

    // The toolbar, layers and zoom ------------------------------------------------------------------------------------
    function setTool(tool) {
      if (tool !== hands.tool && tool !== 'hand') giveWay();
      hands.tool = tool;
      hands.corner = null;
      area.dataset.tool = tool;
      touch();
      for (const b of $$('[data-tool]', element)) if (b !== area) b.setAttribute('aria-pressed', b.dataset.tool === tool);
      tell('tool', tool);
      over();
    }
    // With the whole photo in view a finger scrolls the page; else it moves the photo or draws.
    function touch() {
      area.style.touchAction = hands.tool === 'pick' && view.fitted && !explain ? 'pan-y' : 'none';
    }
    function setLayer(name, shown) {
      painter.layers[name] = shown;
      keep('layers', JSON.stringify(painter.layers));
      showLayers();
      redraw();
    }
    function showLayers() {
      for (const b of $$('[data-layer]', element)) b.setAttribute('aria-pressed', Boolean(painter.layers[b.dataset.layer]));
      $('[data-do=patterns]', element).setAttribute('aria-pressed', painter.patterns);
      $('.nbc-fade', element).value = Math.round(painter.fade * 100);
    }
    function wipeTo(share, draw = true) {
      painter.wipe = share;
      const on_ = share !== null && painter.levelsBefore;
      const line = $('.nbc-wipe', area);
      line.hidden = !on_;
      if (on_) {
        line.style.left = `${view.left + share * view.width * view.scale}px`;
        line.setAttribute('aria-valuenow', Math.round(share * 100));
      }
      $('[data-do=wipe]', element).setAttribute('aria-pressed', Boolean(on_));
      if (draw) redraw();
    }
    // The line between before and after gives way to whatever tool is used.
    function giveWay() { if (painter.wipe !== null) wipeTo(null); }
    area.addEventListener('pointerdown', (e) => {
      const draws = e.pointerType !== 'touch' || hands.tool === 'brush' || hands.tool === 'erase';
      if (draws && e.button === 0 && hands.tool !== 'hand' && !hands.space && !e.target.closest('[data-own]')) giveWay();
    }, true);
    const does = {
      in: () => { view.zoom(1.4); moved(); }, out: () => { view.zoom(1 / 1.4); moved(); },
      fit: () => { view.fit(); moved(); }, real: () => { view.zoom(1 / painter.ratio / view.scale); moved(); },
      wipe: () => wipeTo(painter.wipe === null ? 0.5 : null), frame: () => correct.frame(),
      patterns: () => { painter.patterns = !painter.patterns; painter.fill = null; keep('patterns', painter.patterns ? '1' : '0'); showLayers(); redraw(); },
    };
    element.addEventListener('click', (e) => {
      const button = e.target.closest('button');
      if (!button) return;
      if (button.dataset.tool) setTool(button.dataset.tool);
      else if (button.dataset.layer) setLayer(button.dataset.layer, !painter.layers[button.dataset.layer]);
      else if (button.dataset.do) does[button.dataset.do]();
    });
    $('.nbc-fade', element).addEventListener('input', (e) => { painter.fade = e.target.value / 100; keep('fade', painter.fade); redraw(); });
    namebrush.wipe($('.nbc-wipe', area), view, wipeTo, () => painter.wipe);

    // Keys anywhere on the page, but not while typing -----------------------------------------------------------------
    on('key', (e) => {
      const key = e.key.length === 1 ? e.key.toLowerCase() : e.key;
      if (TOOLS[key]) setTool(TOOLS[key]);
      else if (LAYERS[key]) setLayer(LAYERS[key], !painter.layers[LAYERS[key]]);
      else if (key === '+' || key === '=') does.in();
      else if (key === '-') does.out();
      else if (key === '0') does.fit();
      else if (key === '1') does.real();
      else if (key === 'w' && painter.levelsBefore) does.wipe();
      else if (key === '[' || key === ']') { radius = clamp(radius * (key === ']' ? 1.25 : 0.8), 2, 120); keep('brush', radius); over(); }
      else if (key === '.' || key === ',') step(key === '.' ? 1 : -1);
      else if (key === 'Escape') { hands.corner = null; correct.end(); pick([]); }
      else if (key === 'Enter' && hovered && !hands.cursor) click(...hovered.at, e.shiftKey);
      else return;
      e.preventDefault();
    });
    function step(by) { // to the next region of the list, as if it were pointed at
      const { regions } = scene;
      if (!regions.length) return;
      const at = regions.findIndex((region) => region === hovered);
      hovered = regions[(at + by + regions.length) % regions.length];
      over();
      tell('hover', { id: hovered.id, from: 'canvas' });
      showTip(hovered, hovered.at[0] * view.scale + view.left, hovered.at[1] * view.scale + view.top);
      say(said(hovered));
    }
    area.addEventListener('keydown', (e) => { if (e.key === ' ' && !hands.cursor) { hands.space = true; e.preventDefault(); } });
    area.addEventListener('keyup', (e) => { if (e.key === ' ') hands.space = false; });

    // Other parts of the page -----------------------------------------------------------------------------------------
    on('hover', ({ id, from }) => { if (from === 'canvas') return; hovered = scene.byId?.get(id) || null; over(); });
    on('pick', (ids) => pick(ids));
    on('remove', () => trigger('remove', { ids: [...scene.picked] }));
    on('show', (id) => { const region = scene.byId?.get(id); if (region) { view.show(region.box); moved(); } });
    on('preview', async (one) => { // a picture of what is being painted, where it will be
      if (!one?.box) { if (painter.preview) { painter.preview = null; over(); } return; }
      if (one.url === painter.preview?.image.src) return;
      const image = new Image();
      image.src = one.url;
      await image.decode();
      painter.preview = { ...one, image };
      over();
    });
    on('heat', (canvas) => { painter.heat = canvas; redraw(); });
    on('view', (name) => { explain = name === 'explain'; painter.heat = null; area.classList.toggle('nbc-explain', explain); redraw(); });
    on('lang', showLayers);
    on('tool-wanted', setTool);

    // What the server says --------------------------------------------------------------------------------------------
    async function take() {
      const data = props.value;
      if (!data?.photo) return;
      element.dataset.coming = data.stamp;
      const taken = await scene.take(data);
      if (!taken) return;
      waiting = null;
      if (asks.length) setTimeout(next, 0);
      view.width = data.photo.width;
      view.height = data.photo.height;
      painter.take();
      if (taken.other) view.fit();
      hovered = null;
      tip.hidden = true;
      painter.heat = null;
      $('[data-do=wipe]', element).hidden = !painter.levelsBefore;
      area.style.setProperty('--ratio', data.photo.width / data.photo.height);
      wipeTo(data.compare && painter.levelsBefore ? 0.5 : null);
      resize();
      tell('scene', data);
      correct.off = move.active;
      tell('picked', [...scene.picked]);
      element.dataset.stamp = data.stamp;
      scene.prepare(() => { element.dataset.traced = data.stamp; });
    }
    watch('value', take);
    namebrush.speak(element);
    setTool('pick');
    showLayers();
    take();
    namebrush.table = { scene, view, painter, hands, correct, get hovered() { return hovered; } };
  }

  // Fewer points of a stroke: those closer than half a screen pixel say nothing.
  function thinned(points, scale) {
    const out = [];
    for (const [x, y] of points) {
      const before = out.at(-1);
      if (!before || Math.hypot(x - before[0], y - before[1]) * scale > 1) out.push([Math.round(x * 10) / 10, Math.round(y * 10) / 10]);
    }
    return out;
  }

  return { mount };
})();
