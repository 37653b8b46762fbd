/** The SDK as one file: a library for those who import it, a command for those who run it. */
export * from '../index.ts';

type Builtins = (id: string) => Record<string, (path: string) => string>;

/** Whether Node was told to run this very file, perhaps by a link to it. Browsers have no process. */
function isMain(): boolean {
  const { process } = globalThis as { process?: { argv?: string[]; getBuiltinModule?: Builtins } };
  const script = process?.argv?.[1];
  if (script === undefined || process?.getBuiltinModule === undefined) return false;
  try {
    const real = process.getBuiltinModule('node:fs')['realpathSync']?.(script) ?? '';
    return process.getBuiltinModule('node:url')['fileURLToPath']?.(import.meta.url) === real;
  } catch {
    return false;
  }
}

if (isMain()) void import('./main.ts').then(({ main }) => main());
