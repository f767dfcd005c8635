// Small manners of the page that need no server: the remembered theme, dropping and pasting photos anywhere, Enter to
// find, and a warning before work is lost.
window.namebrush = (() => {
  const $ = (selector) => document.querySelector(selector);

  function rememberTheme() {
    let kept = null;
    try { kept = localStorage.getItem('namebrush-theme'); } catch (_) { /* storage may be forbidden */ }
    if (kept) document.body.classList.toggle('dark', kept === 'dark');
  }

  function give(file) {
    const input = $('#shelf input[type=file]');
    if (!input || !file) return;
    const box = new DataTransfer();
    box.items.add(file);
    input.files = box.files;
    input.dispatchEvent(new Event('change', { bubbles: true }));
  }

  // What was written for the person is fetched under its own name.
  function fetchFile(file) {
    if (!file || !file.url) return;
    const link = document.createElement('a');
    link.href = file.url;
    link.download = file.orig_name || 'namebrush';
    document.body.append(link);
    link.click();
    link.remove();
  }

  function start() {
    rememberTheme();
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
    window.addEventListener('beforeunload', (e) => {
      if ($('.nb-history')?.dataset.work === '1') e.preventDefault();
    });
  }

  return { start, fetchFile };
})();
