// The faces this annotator holds, their pictures loaded and decoded before they are asked for.

/** {id, crop, expires_at} from the server → the same with a picture that is being loaded. */
export function load({ id, crop, expires_at }) {
  const image = new Image();
  image.elementTiming = "face";
  image.draggable = false;
  image.src = crop;
  const ready = image.decode().catch(() => {}); // a picture that fails shows its words; it can be skipped
  return { id, crop, image, ready, expiresAt: Date.parse(expires_at) || Infinity };
}

export class Faces {
  constructor() {
    this.waiting = [];
    this.current = null;
  }

  get held() {
    return this.waiting.length + (this.current ? 1 : 0);
  }

  has(id) {
    return this.current?.id === id || this.waiting.some((face) => face.id === id);
  }

  /** Add those of the offered faces that are new here. Returns how many were. */
  take(offered, isElsewhere) {
    const fresh = offered.filter(({ id }) => !this.has(id) && !isElsewhere(id)).map(load);
    this.waiting.push(...fresh);
    return fresh.length;
  }

  /** Make the next face the current one; null when none is here. Faces whose lease ran out are let go. */
  next(now) {
    this.waiting = this.waiting.filter((face) => face.expiresAt > now);
    this.current = this.waiting.shift() ?? null;
    return this.current;
  }

  /** Show this face again, and the present one after it. */
  putBack(face) {
    if (this.current && this.current.id !== face.id) this.waiting.unshift(this.current);
    this.waiting = this.waiting.filter((other) => other.id !== face.id);
    this.current = face;
  }

  forget(id) {
    this.waiting = this.waiting.filter((face) => face.id !== id);
    if (this.current?.id === id) this.current = null;
  }
}
