// What all other files share: messages between parts of the page, texts in the reader's language, small helpers.
// Plain scripts, joined as they are into the page's head: nothing is built, nothing is fetched.
window.namebrush = (() => {
  const heard = {};
  let lang = 'en';

  const on = (name, handler) => { (heard[name] ??= []).push(handler); };
  const tell = (name, data) => (heard[name] || []).forEach((handler) => handler(data));
  const $ = (selector, root = document) => root.querySelector(selector);
  const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];

  // What is kept between visits; storage may be forbidden.
  const kept = (key) => { try { return localStorage.getItem('namebrush-' + key); } catch (_) { return null; } };
  const keep = (key, value) => { try { localStorage.setItem('namebrush-' + key, value); } catch (_) { /* as above */ } };

  // A text by its key; `{name}` in it is replaced from `values`.
  function t(key, values = {}) {
    const text = namebrush.words?.[lang]?.[key] ?? namebrush.words?.en?.[key] ?? key;
    return text.replace(/\{(\w+)\}/g, (_, name) => values[name] ?? '');
  }

  // Fill every element that names its text: `data-t` is its content, `data-t-label` its name for all readers.
  function speak(root = document) {
    for (const el of $$('[data-t]', root)) el.textContent = t(el.dataset.t);
    for (const el of $$('[data-t-label]', root)) {
      const key = el.dataset.key ? ` (${el.dataset.key})` : '';
      el.setAttribute('aria-label', t(el.dataset.tLabel));
      el.title = t(el.dataset.tLabel) + key;
    }
    for (const el of $$('[data-t-title]', root)) el.title = t(el.dataset.tTitle) + (el.dataset.key ? ` (${el.dataset.key})` : '');
    for (const el of $$('[data-t-hint]', root)) el.placeholder = t(el.dataset.tHint);
  }

  function setLang(code) {
    lang = namebrush.words?.[code] ? code : 'en';
    document.documentElement.lang = lang;
    speak();
    tell('lang', lang);
  }

  // An element from a tag, its properties and its children; text stays text.
  function make(tag, set = {}, ...children) {
    const el = document.createElement(tag);
    for (const [name, value] of Object.entries(set)) {
      if (value === undefined || value === null || value === false) continue;
      if (name === 'class') el.className = value;
      else if (name === 'style') el.style.cssText = value;
      else if (name.startsWith('on')) el.addEventListener(name.slice(2), value);
      else el.setAttribute(name, value === true ? '' : value);
    }
    el.append(...children.filter((child) => child !== null && child !== undefined));
    return el;
  }

  const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
  const calm = () => matchMedia('(prefers-reduced-motion: reduce)').matches;

  return { on, tell, $, $$, kept, keep, t, speak, setLang, make, clamp, calm, get lang() { return lang; } };
})();
