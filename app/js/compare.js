// The comparison: panels of one photo under several methods, a legend, differences, and one cross in all panels.
namebrush.compare = (() => {
  const { $, $$, t, make, on } = namebrush;

  function panel(one, differences) {
    const url = differences && one.differ ? one.differ.url : one.file.url;
    return make('figure', { class: 'nb-figure' },
      make('div', { class: 'nb-figure-photo' }, make('img', { src: url, alt: `${one.title}, ${one.note}`, draggable: 'false' }), make('i', { hidden: true })),
      make('figcaption', {}, make('b', {}, one.title), make('span', {}, one.note)));
  }

  function mount(element, props, trigger, watch) {
    let differences = false;
    function show() {
      const data = props.value;
      const box = $('.nb-compared', element);
      if (!data?.panels) return box.replaceChildren(make('p', { class: 'nb-empty' }, t('compare_empty')));
      const toggle = make('button', { type: 'button', class: 'nb-toggle', 'aria-pressed': String(differences), onclick: () => { differences = !differences; show(); } },
        t('differences', { share: `${(data.differ * 100).toFixed(1)} %` }));
      const legend = data.legend.map((one) => make('span', { class: 'nb-key' }, make('i', { class: 'nb-swatch', style: `--c:${one.color}` }), one.name));
      box.replaceChildren(
        make('div', { class: 'nb-legend-line' }, make('span', { class: 'nb-keys' }, ...legend), toggle),
        make('div', { class: 'nb-grid' }, ...data.panels.map((one) => panel(one, differences))),
        make('details', { class: 'nb-caption' }, make('summary', {}, t('caption')), make('p', {}, data.caption),
          make('button', { type: 'button', class: 'nb-quiet', onclick: () => navigator.clipboard?.writeText(data.caption) }, t('copy'))));
    }
    element.addEventListener('pointermove', (e) => {
      const photo = e.target.closest?.('.nb-figure-photo');
      const frame = photo?.getBoundingClientRect();
      for (const cross of $$('.nb-figure-photo i', element)) {
        cross.hidden = !photo;
        if (!photo) continue;
        cross.style.left = `${((e.clientX - frame.left) / frame.width) * 100}%`;
        cross.style.top = `${((e.clientY - frame.top) / frame.height) * 100}%`;
      }
    });
    watch('value', show);
    on('lang', show);
    show();
  }
  return { mount };
})();
