/** The SDK as one file: a library for those who import it, a command for those who run it. */
export * from '../index.ts';

interface Node {
  readonly argv?: readonly string[];
  readonly getBuiltinModule?: (id: string) => Readonly<Record<string, (path: string) => string>>;
  exit(code: number): never;
}

/** Whether Node was told to run this very file, perhaps by a link to it. Browsers have no process. */
function isMain(node: Node | undefined): node is Node {
  const script = node?.argv?.[1];
  if (script === undefined) return false;
  // What is older would run it and do nothing.
  if (node?.getBuiltinModule === undefined) return import.meta.url.endsWith(script.replaceAll('\\', '/'));
  try {
    const real = node.getBuiltinModule('node:fs')['realpathSync']?.(script);
    return node.getBuiltinModule('node:url')['fileURLToPath']?.(import.meta.url) === real;
  } catch {
    return false;
  }
}

const { process } = globalThis as { process?: Node };
if (isMain(process)) {
  if (process.getBuiltinModule === undefined) {
    console.error('bot2bot: this needs Node 20.19 or later');
    process.exit(2);
  }
  void import('./main.ts').then(({ main }) => main());
}
