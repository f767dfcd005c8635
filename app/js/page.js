// Manners of the page that need no server: theme, language, dropping and pasting photos anywhere, keys, the help, and a
// warning before work is lost.
Object.assign(namebrush, (() => {
  const { $, $$, kept, keep, tell, t, make } = namebrush;

  function setTheme(dark) {
    document.body.classList.toggle('dark', dark);
    tell('theme', dark);
  }

  // A photo, or a session file.
  function give(file) {
    const session = file?.name.toLowerCase().endsWith('.zip');
    const input = $(session ? '#whole input[type=file]' : '#shelf input[type=file]');
    if (!input || !file || (session && !mayReplace())) return;
    const box = new DataTransfer();
    box.items.add(file);
    input.files = box.files;
    input.dispatchEvent(new Event('change', { bubbles: true }));
  }

  const work = () => $('.nb-history')?.dataset.work === '1';
  const mayReplace = () => !work() || window.confirm(t('replace_session'));

  // What was written for the person is fetched under its own name.
  function fetchFile(file) {
    if (!file || !file.url) return;
    const link = make('a', { href: file.url, download: file.orig_name || 'namebrush' });
    document.body.append(link);
    link.click();
    link.remove();
  }

  // Edit, Compare and Explain are one page; which parts show is a matter of style.
  function setView(name) {
    document.body.dataset.view = name;
    for (const b of $$('[data-view-name]')) b.setAttribute('aria-pressed', b.dataset.viewName === name);
    tell('view', name);
    window.dispatchEvent(new Event('resize'));
  }

  function help() {
    $('#nb-help')?.remove();
    const rows = namebrush.keys.map(([keys, text]) =>
      make('tr', {}, make('th', { scope: 'row' }, ...keys.split(' ').map((key) => make('kbd', {}, key))), make('td', {}, t(text))));
    const close = make('button', { type: 'button', autofocus: true, onclick: () => box.close() }, t('close'));
    const box = make('dialog', { id: 'nb-help', 'aria-label': t('help') },
      make('h2', {}, t('help')), make('p', {}, t('help_intro')), make('table', {}, make('tbody', {}, ...rows)), close);
    box.addEventListener('close', () => box.remove());
    box.addEventListener('click', (e) => { if (e.target === box) box.close(); });
    document.body.append(box);
    box.showModal();
  }

  const typing = (el) => el.closest?.('input:not([type=range]):not([type=checkbox]):not([type=radio]), textarea, select, [contenteditable], dialog');

  function keys(e) {
    if (typing(e.target)) return;
    const control = e.ctrlKey || e.metaKey;
    if (control && e.key.toLowerCase() === 'z') {
      e.preventDefault();
      $(e.shiftKey ? '#redo' : '#undo')?.click();
      return;
    }
    if (control && e.key.toLowerCase() === 's') {
      e.preventDefault();
      $('#save-session')?.click();
      return;
    }
    if (control || e.altKey) return;
    if (e.key === '?') return help();
    if (e.key === 'Delete' || e.key === 'Backspace') { e.preventDefault(); return tell('remove'); }
    if (e.key === '/') { e.preventDefault(); $('#words textarea')?.focus(); return; }
    if ((e.key === 'Enter' || e.key === ' ') && e.target.closest?.('button, a, summary, [role=slider], label')) return;
    tell('key', e);
  }

  function start() {
    const theme = kept('theme');
    if (theme) setTheme(theme === 'dark');
    namebrush.setLang(kept('lang') || (navigator.language || 'en').slice(0, 2));
    setView('edit');
    const holdsFile = (e) => e.dataTransfer && [...e.dataTransfer.types].includes('Files');
    document.addEventListener('dragover', (e) => {
      if (!holdsFile(e)) return;
      e.preventDefault();
      document.body.classList.add('nb-dropping');
    });
    document.addEventListener('dragleave', (e) => {
      if (!e.relatedTarget) document.body.classList.remove('nb-dropping');
    });
    document.addEventListener('drop', (e) => {
      document.body.classList.remove('nb-dropping');
      if (!holdsFile(e)) return;
      e.preventDefault();
      give(e.dataTransfer.files[0]);
    });
    document.addEventListener('paste', (e) => {
      const file = [...(e.clipboardData?.files || [])].find((f) => f.type.startsWith('image/'));
      if (file) { e.preventDefault(); give(file); }
    });
    document.addEventListener('keydown', (e) => {
      if (e.key !== 'Enter' || e.shiftKey || e.isComposing) return;
      if (e.target.closest?.('#words')) { e.preventDefault(); e.stopPropagation(); setTimeout(() => $('#find').click(), 60); }
      if (e.target.closest?.('#prompt')) { e.preventDefault(); e.stopPropagation(); setTimeout(() => $('#go').click(), 60); }
    }, true);
    document.addEventListener('keydown', keys);
    window.addEventListener('beforeunload', (e) => {
      if (work()) e.preventDefault();
    });
    // On a small screen what is found or changed shows above the step that asked for it.
    document.addEventListener('click', (e) => {
      if (!e.target.closest?.('#go, #find') || !matchMedia('(max-width: 900px)').matches) return;
      $('#canvas').scrollIntoView({ behavior: namebrush.calm() ? 'auto' : 'smooth', block: 'start' });
    });
    document.addEventListener('click', (e) => {
      if (e.target.closest?.('#open-session') && !mayReplace()) { e.preventDefault(); e.stopPropagation(); }
    }, true);
  }

  // The header's buttons; a chosen language is told to the server, which writes its lines in it.
  function header(element, trigger) {
    namebrush.speak(element);
    let said = 'en'; // what the server was told last
    const told = (lang) => {
      if (lang !== said) trigger('lang', { value: lang });
      said = lang;
    };
    element.addEventListener('click', (e) => {
      const button = e.target.closest('button');
      if (!button) return;
      if (button.id === 'theme') {
        const dark = !document.body.classList.contains('dark');
        setTheme(dark);
        keep('theme', dark ? 'dark' : 'light');
      } else if (button.id === 'lang') {
        const codes = Object.keys(namebrush.words);
        const next = codes[(codes.indexOf(namebrush.lang) + 1) % codes.length];
        keep('lang', next);
        namebrush.setLang(next);
      } else if (button.id === 'help') help();
      else if (button.dataset.viewName) setView(button.dataset.viewName);
    });
    // The page may learn its language before this is here, or after.
    namebrush.on('lang', told);
    setTimeout(() => told(namebrush.lang), 0);
  }

  return { start, fetchFile, header, setView };
})());
