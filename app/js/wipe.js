// The line between before and after: dragged, or moved with the arrow keys.
namebrush.wipe = (line, view, to, now) => {
  const area = line.parentElement;
  line.addEventListener('pointerdown', (e) => {
    line.setPointerCapture(e.pointerId);
    e.stopPropagation();
  });
  line.addEventListener('pointermove', (e) => {
    if (!line.hasPointerCapture(e.pointerId)) return;
    const [x] = view.toPhoto(e.clientX - area.getBoundingClientRect().left, 0);
    to(namebrush.clamp(x / view.width, 0, 1));
  });
  line.addEventListener('keydown', (e) => {
    const step = { ArrowLeft: -0.02, ArrowRight: 0.02, Home: -1, End: 1 }[e.key];
    if (step === undefined) return;
    e.preventDefault();
    e.stopPropagation();
    to(namebrush.clamp(now() + step, 0, 1));
  });
};
