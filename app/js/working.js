// The plate that shows long work: what is being done, how far it is, how long it may take, and a way to stop it.
namebrush.working = (() => {
  const { tell, t, $ } = namebrush;
  const left = (seconds) => (seconds < 90 ? t('left_seconds', { count: seconds }) : t('left_minutes', { count: Math.round(seconds / 60) }));

  function mount(element, props, trigger, watch) {
    namebrush.speak(element);
    const plate = $('.nb-working', element);
    const image = $('.nb-preview', element);
    const stop = $('#stop', element);
    stop.addEventListener('click', () => {
      stop.disabled = true; // until the work has heard of it
      trigger('stop', {});
    });
    function show() {
      const told = props.value;
      plate.hidden = !told;
      document.body.classList.toggle('nb-busy', Boolean(told));
      tell('preview', told?.preview ?? null);
      tell('working', told);
      if (!told) { stop.disabled = false; image.removeAttribute('src'); return; }
      $('.nb-doing', plate).textContent = told.text;
      $('.nb-left', plate).textContent = told.left ? left(told.left) : '';
      $('.nb-way', plate).classList.toggle('nb-open', told.share === null);
      $('.nb-way i', plate).style.width = `${Math.round((told.share ?? 0) * 1000) / 10}%`;
      // A picture that lies nowhere in the photo is shown on the plate itself.
      image.hidden = !told.preview || Boolean(told.preview.box);
      if (!image.hidden && image.src !== told.preview.url) image.src = told.preview.url;
    }
    watch('value', show);
    show();
  }

  return { mount };
})();
