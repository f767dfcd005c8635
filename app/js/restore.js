// What a visitor had is offered again after a reload, also after the server was started anew. The browser keeps a secret
// that finds it, unless the person switched that off.
namebrush.restore = (() => {
  const { $, t, make, on, kept, keep } = namebrush;
  const remembers = () => kept('remember') !== 'off';
  const RETRY = 1500; // after a reload the old page's connection may take a moment to end

  function mount(element, props, trigger, watch) {
    let token = remembers() ? kept('session') : '';
    let tries = 0;

    const ask = () => { tries += 1; trigger('ask', { token }); };
    const clear = () => element.replaceChildren();

    function offer() {
      element.replaceChildren(make('div', { class: 'nb-restore', role: 'region', 'aria-label': t('restore') },
        make('p', {}, t('restore_offer')),
        make('button', { type: 'button', id: 'restore-yes', onclick: () => { clear(); trigger('restore', { token }); } }, t('restore')),
        make('button', { type: 'button', class: 'nb-quiet', id: 'restore-no', onclick: () => { clear(); keep('session', ''); trigger('forget', { token }); } },
          t('restore_no'))));
    }

    watch('value', () => {
      const state = props.value?.state;
      if (state === 'yes') offer();
      else if (state === 'open' && tries < 4) setTimeout(ask, RETRY);
      else clear();
    });
    on('scene', (data) => {
      if (!data.token || !remembers()) return;
      keep('session', data.token);
      if (data.token !== token) clear();
    });
    on('lang', () => { if (element.firstChild) offer(); });
    if (token) ask();
  }

  // The switch under Settings, Files.
  function control(element) {
    namebrush.speak(element);
    const box = $('input', element);
    box.checked = remembers();
    box.addEventListener('change', () => {
      keep('remember', box.checked ? 'on' : 'off');
      if (!box.checked) keep('session', '');
    });
  }

  return { mount, control };
})();
