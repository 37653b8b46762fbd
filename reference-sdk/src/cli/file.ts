/** The SDK as one file: a library when it is imported, the command `bot2bot` when it is run. */
export * from '../index.ts';

interface Node {
  readonly argv?: readonly string[];
  readonly getBuiltinModule?: (id: string) => Readonly<Record<string, (path: string) => string>>;
  exit(code: number): never;
}

/** Whether Node runs this file as its script, directly or through a symbolic link. Browsers have no `process`. */
function isMain(node: Node | undefined): node is Node {
  const script = node?.argv?.[1];
  if (script === undefined) return false;
  // Older Node lacks getBuiltinModule; compare URLs so it still gets the version error.
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
    console.error('bot2bot: needs Node 20.19 or later');
    process.exit(2);
  }
  void import('./main.ts').then(({ main }) => main());
}
