// The comparison: which panels are wanted, the panels, a legend, differences, and what lies under the pointer in each.
namebrush.compare = (() => {
  const { $, $$, t, make, on, kept, keep } = namebrush;
  const bytes = (count) => (count >= 1e9 ? `${(count / 1e9).toFixed(1)} GB` : `${Math.round(count / 1e6)} MB`);
  const percent = (share) => `${(share * 100).toFixed(1)} %`;
  const FORMATS = ['pdf', 'svg', 'png', 'zip'];

  // "base:trident+sam" in its parts.
  function parts(entry) {
    const [, models, method, edges] = /^(?:(.*):)?([^+]*)(?:\+(.*))?$/.exec(entry);
    return { models: models || '', method, edges: edges || '' };
  }
  const called = ({ models, method, edges }) => method + (edges && edges !== 'none' ? ` + ${edges}` : '') + (models ? ` · ${models}` : '');

  function mount(element, props, trigger, watch) {
    const find = (name) => $(`.nbx-${name}`, element);
    let choices = null;
    let chosen = [];
    let shown = null; // the panels on the screen
    let state = { differences: false, reference: null, only: null };

    // Choosing ------------------------------------------------------------------------------------------------------
    function fill(select, rows) {
      const before = select.value;
      select.replaceChildren(...rows.map(([value, text, title]) => make('option', { value, title }, text)));
      if (rows.some(([value]) => value === before)) select.value = before;
    }

    function offer() {
      fill(find('method'), choices.methods.map((one) => [one.name, one.title === one.name ? one.name : `${one.name} – ${one.title}`, one.about]));
      fill(find('edges'), choices.edges.map((one) => [one.name, `${one.name} – ${one.title}`, one.about]));
      fill(find('models'), [['', t('models_in_use')], ...choices.models.map((one) => [one.name, one.name + (one.fetch ? ` – ${t('to_fetch', { size: bytes(one.fetch) })}` : ''), one.about])]);
      fill(find('ending'), FORMATS.map((one) => [one, t(`format_${one}`)]));
      about();
    }

    function about() {
      if (!choices) return;
      const of = (rows, select) => rows.find((one) => one.name === find(select).value)?.about;
      find('about').textContent = [of(choices.methods, 'method'), of(choices.edges, 'edges'), of(choices.models, 'models')].filter(Boolean).join(' · ');
      find('form').textContent = t(find('ending').value === 'zip' ? 'form_zip' : 'form_figure');
    }

    function choose(next) {
      chosen = [...new Set(next)];
      keep('compare', chosen.join(','));
      find('chosen').replaceChildren(...chosen.map((entry, i) => make('span', { class: 'nbx-chip', draggable: 'true', 'data-entry': entry,
        ondragstart: (e) => e.dataTransfer.setData('text/plain', String(i)),
        ondragover: (e) => e.preventDefault(),
        ondrop: (e) => { e.preventDefault(); e.stopPropagation(); move(Number(e.dataTransfer.getData('text/plain')), i); } },
      make('span', {}, called(parts(entry))),
      make('button', { type: 'button', 'aria-label': t('remove_panel', { name: called(parts(entry)) }), title: t('remove_panel', { name: called(parts(entry)) }),
        onclick: () => choose(chosen.filter((one) => one !== entry)),
        onkeydown: (e) => { // the order of the figure, without a mouse
          const step = { ArrowLeft: -1, ArrowRight: 1 }[e.key];
          if (!step || !e.altKey) return;
          e.preventDefault();
          move(i, Math.min(Math.max(i + step, 0), chosen.length - 1));
          $$('.nbx-chip button', element)[Math.min(Math.max(i + step, 0), chosen.length - 1)]?.focus();
        } }, '×'))));
      find('run').disabled = chosen.length < 2;
    }
    function move(from, to) {
      const next = [...chosen];
      next.splice(to, 0, ...next.splice(from, 1));
      choose(next);
    }
    function add() {
      const models = find('models').value;
      choose([...chosen, `${models ? `${models}:` : ''}${find('method').value}+${find('edges').value}`]);
    }

    // Showing -------------------------------------------------------------------------------------------------------
    function draw() {
      const dark = document.body.classList.contains('dark');
      for (const canvas of $$('.nbx-photo canvas', element)) {
        const panel = canvas.dataset.panel === '' ? null : Number(canvas.dataset.panel);
        const same = state.reference === panel;
        const differ = !state.differences || panel === null ? null
          : state.reference === null || same ? shown.any : shown.differing(state.reference, panel);
        shown.draw(canvas, panel, { differ, only: state.only, dark });
      }
      for (const button of $$('.nb-key', element)) button.setAttribute('aria-pressed', String(state.only === Number(button.dataset.key)));
      $('.nb-toggle', element).setAttribute('aria-pressed', String(state.differences));
      for (const [i, button] of $$('.nbx-title', element).entries()) button.setAttribute('aria-pressed', String(state.reference === i));
      for (const [i, line] of $$('.nbx-apart', element).entries()) {
        line.textContent = state.reference === null || state.reference === i ? ''
          : t('apart', { share: percent(shown.share(shown.differing(state.reference, i))), panel: shown.data.panels[state.reference].letter });
      }
    }
    const turn = (change) => { state = { ...state, ...change }; draw(); };

    // What is faded, as the figure is told it: nothing, what all agree on, or what agrees with a panel of this letter.
    const faded = () => (!state.differences ? '' : state.reference === null ? 'all' : shown.data.panels[state.reference].letter.slice(1, -1));

    function figure(one, panel, note) {
      return make('figure', { class: 'nb-figure' },
        make('div', { class: 'nbx-photo' }, make('canvas', { 'data-panel': panel === null ? '' : String(panel), role: 'img', 'aria-label': `${one.letter} ${one.title}, ${note}` }),
          make('i', { hidden: true }), make('em', { hidden: true })),
        make('figcaption', {}, panel === null ? make('b', {}, `${one.letter} ${one.title}`)
          : make('button', { type: 'button', class: 'nbx-title', title: t('reference_hint'), onclick: () => turn({ reference: state.reference === panel ? null : panel, differences: true }) }, `${one.letter} ${one.title}`),
        make('span', {}, note), panel === null ? null : make('span', { class: 'nbx-apart' })));
    }

    function table(data) {
      const stages = [...new Set(data.rows.flatMap((row) => Object.keys(row.seconds)))];
      const head = ['', t('method'), t('edges'), t('models'), t('seconds'), ...stages, t('memory_peak'), t('regions_count'), t('unnamed')];
      const row = (one) => [one.panel, one.method, one.refine, one.preset, one.total_seconds.toFixed(2),
        ...stages.map((stage) => (stage in one.seconds ? one.seconds[stage].toFixed(2) : '')),
        Object.keys(one.memory).length ? bytes(one.memory.cuda ?? one.memory.process) : '–', one.regions, percent(one.unnamed)];
      const cells = (tag, values) => make('tr', {}, ...values.map((value) => make(value === '' ? 'td' : tag, tag === 'th' && value !== '' ? { scope: 'col' } : {}, String(value))));
      return make('div', { class: 'nbx-table', tabindex: '0', role: 'region', 'aria-label': t('numbers') },
        make('table', {}, make('thead', {}, cells('th', head)), make('tbody', {}, ...data.rows.map((one) => cells('td', row(one))))),
        make('p', { class: 'nb-hint' }, t('measured')));
    }
    const copied = (text) => make('button', { type: 'button', class: 'nb-quiet', onclick: () => navigator.clipboard?.writeText(text) }, t('copy'));

    // All panels in one row where the screen is wide enough for them.
    const fitting = (count) => Math.round(Math.min(Math.max((element.clientWidth + 12) / count - 12, 280), 560));

    async function show() {
      const data = props.value?.result;
      find('save').hidden = !data;
      const told = props.value?.told;
      find('told').replaceChildren(...(told ? [make('p', { class: `nb-status nb-${told.kind}`, 'data-kind': told.kind }, told.text)] : []));
      if (!data) return find('result').replaceChildren(make('p', { class: 'nb-empty' }, t('compare_empty')));
      if (shown?.data.stamp !== data.stamp) {
        const made = await new namebrush.panels.Panels().load(data);
        if (props.value?.result?.stamp !== data.stamp) return undefined; // another came meanwhile
        shown = made;
        state = { differences: false, reference: null, only: null };
      }
      const legend = data.legend.map((one, i) => make('button', { type: 'button', class: 'nb-key', 'data-key': String(i), 'aria-pressed': 'false', title: t('only_hint', { name: one.name }),
        onclick: () => turn({ only: state.only === i ? null : i }) }, make('i', { class: 'nb-swatch', style: `--c:${one.color}` }), make('span', { dir: 'auto' }, one.name)));
      const size = make('input', { type: 'range', class: 'nbx-size', min: '180', max: '960', value: kept('panel') || String(fitting(data.panels.length + 1)), 'aria-label': t('panel_size'), title: t('panel_size'),
        oninput: (e) => { keep('panel', e.target.value); element.style.setProperty('--cell', `${e.target.value}px`); } });
      element.style.setProperty('--cell', `${size.value}px`);
      find('result').replaceChildren(
        make('div', { class: 'nb-legend-line' }, make('span', { class: 'nb-keys', role: 'group', 'aria-label': t('legend') }, ...legend),
          make('span', { class: 'nbx-looks' }, make('button', { type: 'button', class: 'nb-toggle', 'aria-pressed': 'false', onclick: () => turn({ differences: !state.differences }) },
            t('differences', { share: percent(shown.share(shown.any)) })), size)),
        make('div', { class: 'nbx-grid' }, figure({ letter: '(a)', title: data.photo.name }, null, ''), ...data.panels.map((one, i) => figure(one, i, one.note))),
        make('details', { class: 'nb-caption' }, make('summary', {}, t('numbers')), table(data)),
        make('details', { class: 'nb-caption' }, make('summary', {}, t('caption')), make('p', {}, data.caption), copied(data.caption)),
        make('details', { class: 'nb-caption' }, make('summary', {}, t('command')), make('p', {}, make('code', {}, data.command)), copied(data.command)));
      draw();
      return undefined;
    }

    // One cross in all panels, and in each the name that it has there.
    element.addEventListener('pointermove', (e) => {
      const photo = e.target.closest?.('.nbx-photo');
      const frame = photo?.getBoundingClientRect();
      const x = photo && (e.clientX - frame.left) / frame.width;
      const y = photo && (e.clientY - frame.top) / frame.height;
      const inside = Boolean(photo && shown) && x >= 0 && x < 1 && y >= 0 && y < 1;
      for (const one of $$('.nbx-photo', element)) {
        const [cross, name] = [$('i', one), $('em', one)];
        const panel = $('canvas', one).dataset.panel;
        cross.hidden = !inside;
        name.hidden = !inside || panel === '';
        if (!inside) continue;
        cross.style.left = name.style.left = `${x * 100}%`;
        cross.style.top = name.style.top = `${y * 100}%`;
        name.classList.toggle('nbx-left', x > 0.6);
        if (panel === '') continue;
        const found = shown.nameAt(Number(panel), x, y);
        name.textContent = found ? found.name : '–';
        name.style.setProperty('--c', found ? found.color : 'transparent');
      }
    });
    element.addEventListener('pointerleave', () => { for (const el of $$('.nbx-photo :is(i, em)', element)) el.hidden = true; });

    element.addEventListener('click', (e) => {
      const what = e.target.closest('[data-do]')?.dataset.do;
      if (what === 'add') add();
      if (what === 'figure') trigger('figure', { ending: find('ending').value, width: Number(find('width').value), differences: faded() });
      if (e.target.closest('.nbx-run')) trigger('run', { entries: chosen, alone: find('alone').checked, words: find('names').value });
    });
    element.addEventListener('change', (e) => { if (e.target.matches('select')) about(); });
    find('names').addEventListener('input', (e) => namebrush.panel.setWords(e.target.value, false));
    find('names').addEventListener('keydown', (e) => { if (e.key === 'Enter' && chosen.length > 1) find('run').click(); });

    function ready() {
      const said = props.value?.choices;
      if (said && !choices) {
        choices = said;
        offer();
        choose((kept('compare') || said.first.join(',')).split(',').filter((one) => said.methods.some((m) => m.name === parts(one).method)));
        [find('width').min, find('width').max] = said.widths;
      }
      if (said && said !== choices) { // in another language
        choices = said;
        offer();
      }
      show();
    }
    on('view', (view) => { if (view === 'compare') find('names').value = namebrush.panel.words(); });
    on('lang', () => { if (choices) { offer(); choose(chosen); } show(); });
    on('theme', () => { if (shown) draw(); });
    watch('value', ready);
    namebrush.speak(element);
    ready();
  }
  return { mount };
})();
