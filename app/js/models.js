// The panel of models: a dialog that lists the presets, their parts, sizes and licences, and switches between them.
namebrush.models = (() => {
  const { $, t, make, on } = namebrush;
  const size = (bytes) => (bytes >= 1e9 ? `${(bytes / 1e9).toFixed(1)} GB` : `${Math.max(1, Math.round(bytes / 1e6))} MB`);

  function part(one) {
    const state = one.loaded ? t('part_loaded') : one.here ? t('part_here') : t('part_fetch');
    const more = one.readme ? make('details', {}, make('summary', {}, t('whole_card')), make('div', { class: 'nb-readme', tabindex: '0' }, one.readme))
      : one.page ? make('a', { href: one.page, target: '_blank', rel: 'noreferrer noopener' }, t('its_page')) : null;
    return make('tr', {}, make('td', {}, make('b', {}, one.title), make('br'), make('small', {}, one.card), make('br'), more),
      make('td', {}, size(one.bytes)), make('td', {}, one.licence),
      make('td', {}, state, ...(one.memory ? [make('br'), make('small', {}, t('holds', { size: size(one.memory) }))] : [])));
  }

  function preset(one, choose) {
    const button = one.use === 'use' ? make('strong', {}, t('in_use'))
      : one.use === 'no' ? make('small', { class: 'nb-hint' }, one.why)
      : make('button', { type: 'button', 'data-preset': one.name, onclick: () => choose(one.name) },
        one.use === 'fetch' ? t('fetch_and_use', { size: size(one.fetch) }) : t('use'));
    return make('section', { class: 'nb-preset' + (one.use === 'use' ? ' nb-now' : '') },
      make('header', {}, make('h3', {}, one.name), make('p', {}, one.card), button),
      one.painter ? make('p', { class: 'nb-hint' }, t('painter_later', { size: size(one.painter) })) : null,
      make('details', { open: one.use === 'use' }, make('summary', {}, t('parts', { count: one.parts.length })),
        make('table', {}, make('tbody', {}, ...one.parts.map(part)))));
  }

  // What went wrong, in one sentence; the whole of it for whoever asks.
  function failure(one, choose) {
    if (!one) return null;
    return make('div', { class: 'nb-failed', role: 'alert' }, make('p', {}, one.text),
      make('button', { type: 'button', 'data-again': one.preset, onclick: () => choose(one.preset) }, t('try_again')),
      one.details ? make('details', {}, make('summary', {}, t('details')), make('p', {}, one.details)) : null);
  }

  // Opens whenever the server says anew what there is, stays while models are fetched, and closes once they are loaded.
  function mount(element, props, trigger, watch) {
    let box = null;
    let fetching = null; // the plate of the work, while the dialog lies over the page's own
    const choose = (name) => {
      trigger('select', { value: name });
      for (const button of box.querySelectorAll('button[data-preset], button[data-again]')) button.disabled = true;
      $('.nb-failed', box)?.remove();
      fetching = make('div', { class: 'nb-fetching', role: 'status' }, make('span', {}, t('fetching')),
        make('button', { type: 'button', onclick: () => $('#stop').click() }, t('stop')));
      $('h2', box).after(fetching);
      $('button', fetching).focus();
    };
    on('working', (told) => { if (fetching && told) $('span', fetching).textContent = told.text; });

    function show() {
      const data = props.value;
      fetching = null;
      if (data?.done) box?.close();
      if (!data?.presets) return;
      const memory = data.memory ? make('p', { class: 'nb-hint' }, t('memory', { size: size(data.memory) })) : null;
      const fresh = !box;
      box ??= make('dialog', { id: 'nb-models', 'aria-label': t('models') });
      box.replaceChildren(...[make('h2', {}, t('models')), failure(data.failed, choose), make('p', { class: 'nb-hint' }, t('models_intro')),
        ...data.presets.map((one) => preset(one, choose)), memory,
        make('button', { type: 'button', onclick: () => box.close() }, t('close'))].filter(Boolean));
      if (data.failed) $('[data-again]', box).focus();
      if (!fresh) return;
      box.addEventListener('close', () => { box.remove(); box = fetching = null; });
      box.addEventListener('click', (e) => { if (e.target === box) box.close(); });
      document.body.append(box);
      box.showModal();
    }
    watch('value', show);
    on('lang', () => box?.close());
  }
  return { mount };
})();
