/** A JSON value of unknown shape, with accessors that never throw. */
export class Value {
  readonly raw: unknown;

  constructor(raw: unknown) {
    this.raw = raw;
  }

  static parse(text: string): Value {
    try {
      return new Value(JSON.parse(text));
    } catch {
      return new Value(undefined);
    }
  }

  get(name: string): Value {
    return new Value(isObject(this.raw) ? this.raw[name] : undefined);
  }

  has(name: string): boolean {
    return isObject(this.raw) && Object.hasOwn(this.raw, name);
  }

  /** The elements of an array; empty for any other value. */
  get items(): Value[] {
    return Array.isArray(this.raw) ? this.raw.map((item) => new Value(item)) : [];
  }

  /** The number; NaN for any other value, so that every comparison fails. */
  get number(): number {
    return typeof this.raw === 'number' ? this.raw : NaN;
  }

  get string(): string {
    return typeof this.raw === 'string' ? this.raw : '';
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
