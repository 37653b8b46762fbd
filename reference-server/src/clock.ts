/** Source of time, injected so that tests control it. */
export interface Clock {
  /** Unix time in ms; may jump in both directions. */
  wall(): number;
  /** Monotonic time in ms. */
  mono(): number;
}

export const systemClock: Clock = { wall: () => Date.now(), mono: () => performance.now() };
