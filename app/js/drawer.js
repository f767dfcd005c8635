// What stands beside the steps: the settings in a drawer of their own, a word on photographs where the models in use
// know none, and the words field of a change, ready to be typed in once its kind is chosen.
Object.assign(namebrush, (() => {
  const { on, tell, $, $$, speak, t } = namebrush;
  const small = () => matchMedia('(max-width: 900px)').matches;
  let opener = null; // what opened the settings, and gets the focus back

  const isOpen = () => document.body.classList.contains('nb-settings');
  function open(tab, from) {
    opener = from;
    document.body.classList.add('nb-settings');
    const box = $('#settings');
    box.setAttribute('role', 'dialog');
    box.setAttribute('aria-label', t('settings'));
    const tabs = $$('[role=tab]', box).filter((el) => el.offsetParent);
    tabs[tab]?.click();
    (tabs[tab] ?? $('button', box))?.focus();
  }
  function close() {
    if (!isOpen()) return;
    document.body.classList.remove('nb-settings');
    opener?.focus();
  }
  document.addEventListener('click', (e) => {
    const button = e.target.closest?.('[data-settings]');
    if (!button) return;
    if (button.dataset.settings === 'close' || isOpen()) close();
    else open(Number(button.dataset.settings), button);
  });
  document.addEventListener('keydown', (e) => {
    if (e.key !== 'Escape' || !isOpen() || e.target.closest?.('dialog')) return;
    e.preventDefault();
    e.stopPropagation();
    close();
  }, true);
  on('view', close);
  const settings = (element) => speak(element);

  function notice(element) {
    speak(element);
    let away = false; // until another photo is opened
    const line = $('.nb-notice', element);
    const show = (shown) => {
      line.hidden = !shown;
      document.body.classList.toggle('nb-noticed', shown);
    };
    on('scene', (data) => {
      if (!data.drawings_only) away = false;
      show(Boolean(data.drawings_only) && !away);
    });
    element.addEventListener('click', (e) => {
      const what = e.target.closest('[data-do]')?.dataset.do;
      if (what === 'models') $('#models-button button').click();
      if (what === 'dismiss') { away = true; show(false); }
    });
  }

  // Whoever chose with the mouse or a finger goes on typing; arrow keys go on through the kinds.
  let pointed = 0;
  document.addEventListener('pointerdown', (e) => { if (e.target.closest?.('#kind')) pointed = performance.now(); }, true);
  document.addEventListener('change', (e) => {
    if (!e.target.closest?.('#kind') || performance.now() - pointed > 1000) return;
    const until = performance.now() + 5000;
    const look = () => {
      const field = $('#prompt textarea');
      if (field?.offsetParent) return field.focus({ preventScroll: !small() });
      if (performance.now() < until && $('#kind input:checked')?.value === e.target.value) requestAnimationFrame(look);
    };
    if (['replace', 'restyle'].includes(e.target.value)) look();
  });

  // On a small screen the change is at hand while the photo is in view and something is picked.
  on('picked', (ids) => document.body.classList.toggle('nb-picked', ids.length > 0));
  const watched = new IntersectionObserver(([seen]) => document.body.classList.toggle('nb-atphoto', seen.isIntersecting), { threshold: 0.3 });
  on('scene', () => { const area = $('.nbc-view'); if (area) watched.observe(area); });

  return { settings, notice };
})());
