// The names as chips and the regions as a list, both tied to the canvas: what is hovered or picked in one shows in all.
namebrush.panel = (() => {
  const { on, tell, $, $$, t, make } = namebrush;
  let scene = { regions: [], classes: [] };
  let picked = new Set();
  let rows = new Map(); // of the list, by the region's id
  let over = null; // the row of what is pointed at

  const mine = (name) => scene.regions.filter((region) => region.name === name).map((region) => region.id);
  const percent = (share) => (share > 0 && share < 0.01 ? '<1 %' : `${Math.round(share * 100)} %`);

  // The names field belongs to Gradio: it hears of a new text as if it had been typed.
  function setWords(text, find = true) {
    const area = $('#words textarea');
    area.value = text;
    area.dispatchEvent(new Event('input', { bubbles: true }));
    if (find) setTimeout(() => $('#find').click(), 60);
  }
  const words = () => $('#words textarea').value.trim();

  function withSynonyms(name, synonyms) {
    const parts = words().split(/[,\n]/).map((part) => part.trim()).filter(Boolean);
    const same = (part) => part.split(';')[0].trim().toLowerCase() === name.toLowerCase();
    return parts.map((part) => (same(part) ? [name, ...synonyms].join('; ') : part)).join(', ');
  }

  // Names ---------------------------------------------------------------------------------------------------------
  function chip(one) {
    const ids = mine(one.name);
    const all = ids.length > 0 && ids.every((id) => picked.has(id));
    const main = make('button', {
      type: 'button', class: 'nb-chip-main', 'data-name': one.name, 'aria-pressed': String(all),
      title: t('chip_title', { name: one.name, share: percent(one.share) }),
      onclick: () => {
        if (!ids.length) return tell('told', t('none_called', { name: one.name }));
        tell('pick', all ? [...picked].filter((id) => !ids.includes(id)) : [...new Set([...picked, ...ids])]);
      },
      onmouseenter: () => ids.length === 1 && tell('hover', { id: ids[0], from: 'panel' }),
      onmouseleave: () => tell('hover', { id: null, from: 'panel' }),
    }, swatch(one), make('span', { dir: 'auto' }, one.name),
    make('b', {}, ids.length ? `${ids.length} · ${percent(one.share)}` : t('not_found')));
    const parts = [main];
    if (!one.by_hand) {
      parts.push(make('button', {
        type: 'button', class: 'nb-chip-more', 'aria-label': t('synonyms_of', { name: one.name }), title: t('synonyms_of', { name: one.name }),
        onclick: (e) => edit(one, e.currentTarget.closest('.nb-names')),
      }, '＋'));
    }
    return make('span', { class: 'nb-chip' + (ids.length ? '' : ' nb-none') }, ...parts);
  }
  const swatch = (one) => make('i', { class: `nb-swatch nb-pattern-${one.pattern % 6}`, style: `--c:${one.color}`, 'aria-hidden': 'true' });

  function edit(one, box) {
    $('.nb-edit', box)?.remove();
    const field = make('input', { type: 'text', value: one.synonyms.join(', '), placeholder: t('synonyms_hint'), 'aria-label': t('synonyms_of', { name: one.name }) });
    const done = () => setWords(withSynonyms(one.name, field.value.split(/[,;]/).map((s) => s.trim()).filter(Boolean)));
    field.addEventListener('keydown', (e) => {
      if (e.key === 'Enter') done();
      if (e.key === 'Escape') $('.nb-edit', box).remove();
      e.stopPropagation();
    });
    box.append(make('div', { class: 'nb-edit' }, make('span', {}, `${one.name};`), field, make('button', { type: 'button', onclick: done }, t('find'))));
    field.focus();
  }

  function showNames() {
    const box = $('#legend .nb-names');
    if (!box) return;
    const chips = scene.classes.map(chip);
    const room = matchMedia('(min-width: 1800px)').matches ? 5 : 3;
    const more = (scene.suggestions || []).slice(0, room).map((name) => make('button', {
      type: 'button', class: 'nb-suggest', 'data-suggest': name, title: t('suggest_title', { name }),
      onclick: () => setWords(words() ? `${words()}, ${name}` : name),
    }, `+ ${name}`));
    const rest = more.length ? [make('p', { class: 'nb-hint' }, t('suggested')), ...more] : [];
    box.replaceChildren(...chips, ...rest);
    fold(box);
  }

  // Names beyond the rows there is room for wait behind a button, so that picking and changing stay in view.
  let unfolded = false;
  function fold(box) {
    const rows = matchMedia('(max-width: 900px)').matches ? 99 : innerHeight < 800 ? 1 : innerHeight < 1000 ? 2 : 4;
    const all = [...box.children];
    const tops = [...new Set(all.map((el) => el.offsetTop))];
    if (tops.length <= rows) return;
    const button = make('button', {
      type: 'button', class: 'nb-suggest nb-fold', 'aria-expanded': String(unfolded), onclick: () => { unfolded = !unfolded; showNames(); $('.nb-fold', box)?.focus(); },
    }, t('names_less'));
    box.append(button);
    if (unfolded) return;
    const shown = all.filter((el) => tops.indexOf(el.offsetTop) < rows);
    const hidden = all.slice(shown.length);
    const say = () => {
      const count = hidden.filter((el) => el.matches('.nb-chip, .nb-suggest')).length;
      button.textContent = t('names_more', { count });
      button.title = t('names_more_title', { count });
      button.setAttribute('aria-label', button.title);
    };
    for (const el of hidden) el.hidden = true;
    say();
    while (shown.length > 1 && button.offsetTop > shown[0].offsetTop + 40 * (rows - 1) + 8) { // room for the button itself
      hidden.unshift(shown.pop());
      hidden[0].hidden = true;
      say();
    }
  }
  window.addEventListener('resize', () => showNames());

  // Regions -------------------------------------------------------------------------------------------------------
  function row(region) {
    return make('button', {
      type: 'button', class: 'nb-row', 'data-region': region.id, 'aria-pressed': String(picked.has(region.id)),
      onclick: () => {
        const next = new Set(picked);
        next.has(region.id) ? next.delete(region.id) : next.add(region.id);
        tell('pick', [...next]);
      },
      ondblclick: () => tell('show', region.id),
      onmouseenter: () => tell('hover', { id: region.id, from: 'panel' }),
      onmouseleave: () => tell('hover', { id: null, from: 'panel' }),
      onfocus: () => tell('hover', { id: region.id, from: 'panel' }),
    }, swatch(region), make('span', { dir: 'auto' }, region.title), make('em', {}, region.accepted ? '✓' : region.made), make('b', {}, region.score === null ? '' : region.score.toFixed(2)));
  }

  function showList() {
    const box = $('#regions .nb-list');
    over = null;
    rows = new Map(scene.regions.map((region) => [region.id, row(region)]));
    if (box) box.replaceChildren(...rows.values());
    mark();
  }

  // Scroll the list, and nothing else, until a row is in it.
  function reveal(el) {
    const box = el?.parentElement;
    if (!box) return;
    const top = el.offsetTop - box.offsetTop;
    if (top < box.scrollTop) box.scrollTop = top;
    else if (top + el.offsetHeight > box.scrollTop + box.clientHeight) box.scrollTop = top + el.offsetHeight - box.clientHeight;
  }

  // Touches only what changes: every touched element costs the browser a look at the page's style.
  function press(el, pressed) {
    if (el.getAttribute('aria-pressed') !== String(pressed)) el.setAttribute('aria-pressed', pressed);
  }

  function mark() {
    for (const el of $$('#regions .nb-row')) press(el, picked.has(Number(el.dataset.region)));
    $('#regions')?.classList.toggle('nb-any', picked.size > 0);
    if (picked.size) requestAnimationFrame(() => reveal($('#regions .nb-row[aria-pressed=true]')));
    for (const el of $$('#legend .nb-chip-main')) {
      const ids = mine(el.dataset.name);
      press(el, ids.length > 0 && ids.every((id) => picked.has(id)));
    }
  }

  // The line that says what the chosen tool does, or what is going on else.
  function hint(element) {
    const line = $('p', element);
    const now = { tool: 'pick', seeds: null, moving: false };
    const show = () => {
      line.dataset.t = now.seeds !== null ? 'hint_split' : now.moving && now.tool === 'pick' ? 'hint_moving' : `hint_${now.tool}`;
      element.classList.toggle('nb-plainly', ['hint_pick', 'hint_moving'].includes(line.dataset.t));
      namebrush.speak(element);
    };
    for (const name of Object.keys(now)) on(name, (value) => { now[name] = value; show(); });
    show();
  }
  // What can be done to the picked masks themselves; asked of the server, which needs no model for it.
  function tidy(element, trigger) {
    namebrush.speak(element);
    const button = (what) => $(`[data-tidy=${what}]`, element);
    const chosen = () => scene.regions.filter((region) => picked.has(region.id));
    element.addEventListener('click', (e) => {
      const what = e.target.closest('[data-tidy]')?.dataset.tidy;
      if (!what) return;
      if (what === 'split') return trigger('tidy', { what, name: '', points: namebrush.table?.correct.split() ?? [] });
      if (what !== 'rename') return trigger('tidy', { what, name: '', points: [] });
      const field = make('input', { type: 'text', value: chosen()[0]?.name ?? '', placeholder: t('new_name'), 'aria-label': t('new_name') });
      const box = make('div', { class: 'nb-edit' }, field);
      field.addEventListener('keydown', (k) => {
        k.stopPropagation();
        if (k.key === 'Enter' && field.value.trim()) trigger('tidy', { what, name: field.value.trim(), points: [] });
        if (k.key === 'Enter' || k.key === 'Escape') box.remove();
      });
      $('.nb-edit', element)?.remove();
      element.append(box);
      field.focus();
      field.select();
    });
    on('picked', (ids) => {
      element.classList.toggle('nb-some', ids.length > 0);
      button('merge').disabled = ids.length < 2;
      button('split').disabled = ids.length !== 1;
      const accepted = ids.length > 0 && chosen().every((region) => region.accepted);
      press(button('accept'), accepted);
      if (!ids.length) $('.nb-edit', element)?.remove();
    });
    on('seeds', (count) => {
      button('split').textContent = count === null ? t('split') : t('split_at', { count });
      press(button('split'), count !== null);
    });
  }
  // Several results of one change, to choose from.
  function candidates(element, trigger) {
    on('scene', (data) => {
      const box = $('.nb-candidates', element);
      box.replaceChildren(...(data.candidates || []).map((one, i) => make('button', {
        type: 'button', 'aria-pressed': String(one.now), title: one.note, 'aria-label': t('candidate', { number: i + 1, note: one.note }),
        onclick: () => trigger('candidate', { number: i }),
      }, make('img', { src: one.file.url, alt: '' }), make('span', {}, one.note))));
    });
  }
  document.addEventListener('click', (e) => { if (e.target.closest?.('.nb-clear')) tell('pick', []); });

  on('scene', (data) => { scene = data; picked = new Set(data.picked); showNames(); showList(); });
  on('picked', (ids) => { picked = new Set(ids); mark(); });
  on('lang', () => { showNames(); showList(); });
  on('hover', ({ id, from }) => {
    const row = id === null ? null : rows.get(id);
    if (row === over) return;
    over?.classList.remove('nb-over');
    row?.classList.add('nb-over');
    over = row;
    // Scrolling asks where things lie, which must not hold up the outline.
    if (from === 'canvas' && row) requestAnimationFrame(() => { if (row === over) reveal(row); });
  });
  return { setWords, words, hint, tidy, candidates };
})();
