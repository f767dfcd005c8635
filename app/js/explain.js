// Explaining: the scores of all names under the pointer, read from one small picture without asking the server; and the
// heat maps the server sends for a clicked point.
namebrush.explain = (() => {
  const { $, t, make, on, tell } = namebrush;
  let scene = null;
  let atlas = null;
  let wanted = 0;

  async function load() {
    const turn = (wanted += 1);
    atlas = null;
    const maps = scene?.scores;
    if (!maps || document.body.dataset.view !== 'explain') return;
    const image = new Image();
    image.src = maps.file.url;
    await image.decode();
    if (turn !== wanted) return;
    const canvas = make('canvas', { width: image.width, height: image.height });
    const context = canvas.getContext('2d', { willReadFrequently: true });
    context.drawImage(image, 0, 0);
    atlas = { ...maps, bytes: context.getImageData(0, 0, image.width, image.height).data };
  }

  function scoresAt(x, y) {
    if (!atlas || x < 0 || y < 0 || x >= scene.photo.width || y >= scene.photo.height) return [];
    const px = Math.floor((x * atlas.width) / scene.photo.width);
    const py = Math.floor((y * atlas.height) / scene.photo.height);
    return atlas.names.map((name, i) => ({
      name: name === '—' ? t('no_name') : name, color: atlas.colors[i],
      score: atlas.bytes[4 * ((i * atlas.height + py) * atlas.width + px)] / 255,
    })).sort((a, b) => b.score - a.score);
  }

  // Blue over green to yellow, even in lightness (after the idea of viridis), as a picture of the map's own size.
  const STOPS = [[68, 1, 84], [59, 82, 139], [33, 145, 140], [94, 201, 98], [253, 231, 37]];
  async function heat(url) {
    const image = new Image();
    image.src = url;
    await image.decode();
    const canvas = make('canvas', { width: image.width, height: image.height });
    const context = canvas.getContext('2d');
    context.drawImage(image, 0, 0);
    const pixels = context.getImageData(0, 0, canvas.width, canvas.height);
    for (let i = 0; i < pixels.data.length; i += 4) {
      const at = (pixels.data[i] / 255) * (STOPS.length - 1);
      const low = Math.min(Math.floor(at), STOPS.length - 2);
      for (let c = 0; c < 3; c += 1) pixels.data[i + c] = STOPS[low][c] + (STOPS[low + 1][c] - STOPS[low][c]) * (at - low);
      pixels.data[i + 3] = 190;
    }
    context.putImageData(pixels, 0, 0);
    return canvas;
  }

  function bars(rows) {
    return rows.slice(0, 12).map((one) => make('div', { class: 'nb-bar' },
      make('span', { dir: 'auto' }, one.name), make('i', {}, make('b', { style: `width:${(one.score * 100).toFixed(1)}%;background:${one.color}` })),
      make('em', {}, one.score.toFixed(2))));
  }

  function promptOf(region) {
    if (!region) return make('p', { class: 'nb-hint' }, t('no_mask_here'));
    const lines = [];
    if (region.points.length) lines.push(region.points.map(([x, y, label]) => `${label ? '●' : '○'} ${Math.round(x)}, ${Math.round(y)}`).join('   '));
    if (region.prompt_box) lines.push(`▭ ${region.prompt_box.map(Math.round).join(', ')}`);
    lines.push(`${t('edges_by')} ${region.made}, ${t('score')} ${region.score.toFixed(2)}`);
    if (region.iou !== null) lines.push(t('predicted_iou', { value: region.iou.toFixed(2) }));
    return make('div', {}, make('b', {}, region.title), ...lines.map((line) => make('p', { class: 'nb-hint' }, line)));
  }

  function mount(element, props, trigger, watch) {
    const here = $('.nb-here', element);
    const maps = $('.nb-maps', element);
    on('scene', (data) => { scene = data; load(); maps.replaceChildren(); });
    on('view', load);
    on('point', ({ x, y }) => {
      here.replaceChildren(...bars(scoresAt(x, y)));
      $('.nb-prompt', element).replaceChildren(promptOf(namebrush.table?.hovered));
    });
    on('explain', (what) => trigger('explain', what));
    let chosen = null;
    async function show() {
      const data = props.value;
      if (!data?.maps) return maps.replaceChildren();
      const rows = [];
      for (const one of data.maps) {
        const picture = await heat(one.file.url);
        picture.at = [data.x, data.y];
        const button = make('button', { type: 'button', class: 'nb-map', 'aria-pressed': 'false', 'data-map': one.name, onclick: () => {
          chosen = chosen === one.name ? null : one.name;
          for (const b of maps.querySelectorAll('button')) b.setAttribute('aria-pressed', b.dataset.map === chosen);
          tell('heat', chosen ? picture : null);
        } }, picture, make('span', {}, t(`map_${one.name}`)), make('em', { class: 'nb-range' }, make('span', {}, one.low.toFixed(2)), make('i', { 'aria-hidden': 'true' }), make('span', {}, one.high.toFixed(2))));
        rows.push(button);
      }
      maps.replaceChildren(...rows);
      if (scene) maps.style.setProperty('--photo', `${scene.photo.width} / ${scene.photo.height}`);
      chosen = null;
      rows[0].click();
    }
    watch('value', show);
    namebrush.speak(element);
  }
  return { mount };
})();
