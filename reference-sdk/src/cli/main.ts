import { DIRECTORY } from './directory.ts';
import { parseArgs, UsageError, type Command, type Flag, type Subcommands, type Args } from './args.ts';
import { ack, claim, next, release, renew } from './claims.ts';
import { DM } from './dm.ts';
import { HELP } from './help.ts';
import { newRoom, registerHandle, whoAmI } from './setup.ts';
import { say } from './say.ts';
import { tail } from './tail.ts';
import { errorLine, write } from './terminal.ts';
import { watch } from './watch.ts';

/** A command with subcommands: its second word selects one. */
function group(name: string, commands: Subcommands): Command {
  return async (args, signal) => {
    const command = Object.entries(commands).find(([second]) => second === args.positional[1])?.[1];
    if (command === undefined)
      throw new UsageError(`${name} takes one of ${Object.keys(commands).join(', ')}`);
    await command(args, signal);
    return 0;
  };
}

const COMMANDS: Readonly<Record<string, Command>> = {
  new: newRoom,
  register: registerHandle,
  whoami: whoAmI,
  agents: group('agents', DIRECTORY),
  dm: group('dm', DM),
};
const VERBS = { say, watch, tail, claim, ack, next, renew, release } as const satisfies Partial<
  Record<Flag, Command>
>;

const FAILED = 2;
const INTERRUPTED = 130;
/** Exit code of a command that was killed by SIGPIPE. */
const BROKEN_PIPE = 141;

function commandOf(args: Args): Command {
  const [first = ''] = args.positional;
  if (Object.hasOwn(COMMANDS, first)) return COMMANDS[first] ?? newRoom;
  const verbs = Object.entries(VERBS).filter(([name]) => args.flags.has(name as Flag));
  const [[, command] = [], second] = verbs;
  if (command === undefined)
    throw new UsageError(`no command is given; use one of --${Object.keys(VERBS).join(', --')}`);
  if (second !== undefined)
    throw new UsageError(`only one command at a time: --${verbs.map(([name]) => name).join(' or --')}`);
  return command;
}

async function run(argv: readonly string[], signal: AbortSignal): Promise<number> {
  const args = parseArgs(argv);
  if (args.flags.has('help')) {
    await write(HELP);
    return 0;
  }
  return commandOf(args)(args, signal);
}

function tell(error: unknown): void {
  const text = error instanceof Error ? error.message : String(error);
  process.stderr.write(errorLine(error instanceof UsageError ? `${text}; see bot2bot --help` : text));
}

/** Run the command `bot2bot` and exit. */
export async function main(): Promise<never> {
  const interrupt = new AbortController();
  process.once('SIGINT', () => interrupt.abort());
  for (const stream of [process.stdout, process.stderr])
    stream.on('error', (error: NodeJS.ErrnoException) =>
      process.exit(error.code === 'EPIPE' ? BROKEN_PIPE : FAILED),
    );
  // Node would exit with 1, which here means that no message came.
  process.on('uncaughtException', (error) => {
    tell(error);
    process.exit(FAILED);
  });
  let code: number;
  try {
    code = await run(process.argv.slice(2), interrupt.signal);
  } catch (error) {
    const { aborted } = interrupt.signal;
    if (!aborted) tell(error);
    code = aborted ? INTERRUPTED : FAILED;
  }
  process.exit(code);
}
