/** Time, injected so that rules about it can be tested. */
export interface Clock {
  /** Unix time in ms; may jump. */
  wall(): number;
  /** Milliseconds that never go back. */
  mono(): number;
}

export const systemClock: Clock = { wall: () => Date.now(), mono: () => performance.now() };
