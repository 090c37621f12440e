// A swipe over the face to the right takes the last vote back. How far the finger is, CSS knows as --drag.

const FAR = 80; // pixels

/** Call `done` after each swipe by touch over the frame; `allowed` says whether there is anything to take back. */
export function listenToSwipes(frame, allowed, done) {
  let start = null;
  const reset = () => {
    start = null;
    frame.style.removeProperty("--drag");
  };
  const moved = ({ clientX, clientY }) => ({ right: clientX - start.x, aside: Math.abs(clientY - start.y) });
  frame.addEventListener("pointerdown", (event) => {
    if (event.pointerType === "touch" && event.isPrimary && allowed()) start = { x: event.clientX, y: event.clientY };
  });
  frame.addEventListener("pointermove", (event) => {
    if (start && event.isPrimary) frame.style.setProperty("--drag", `${Math.max(0, moved(event).right)}px`);
  });
  frame.addEventListener("pointercancel", reset);
  frame.addEventListener("pointerup", (event) => {
    if (!start || !event.isPrimary) return;
    const { right, aside } = moved(event);
    reset();
    if (right >= FAR && right > 2 * aside) done();
  });
}
