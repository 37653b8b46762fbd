/** Requests whose answers are not read: the relay must not hold a copy for each, nor hold them for ever. */
import { pathOf, ROUTES } from '@bot2bot/schemas';
import { allowance, each, NO_RATES, type Attack, type Context } from './attack.ts';
import { registered } from './agents.ts';
import type { Declared } from './declared.ts';
import { fill, get, LONGEST } from './room.ts';

/** Bound: `answer_bytes` for answers of one address, plus what may wait in each socket. */
const unread = (sockets: number) => (declared: Declared) =>
  allowance(
    [declared.of('answer_bytes'), 'answer_bytes'],
    [sockets * declared.of('subscriber_bytes'), `${sockets} × subscriber_bytes`],
  );

/** Maximum-size messages in the room: 32 MiB, and 64 MiB. */
const MESSAGES = { short: 250, full: 500 };

/** Send the same text on each of `sockets` connections in one write, and read nothing. */
async function unreadOn(context: Context, sockets: number, text: string): Promise<void> {
  await each(sockets, 50, async () => (await context.attacker.open()).send(text), context.signal);
  await context.settled(context.size === 'full' ? 30_000 : 8_000);
}

function ofFullRoom(given: {
  name: string;
  about: string;
  path: (room: string) => string;
  sockets: number;
  requests: number;
}): Attack {
  const { name, about, path, sockets, requests } = given;
  return {
    name,
    about,
    flags: NO_RATES,
    memory: unread(sockets),
    run: async (context) => {
      await fill(context, 'unread', MESSAGES[context.size], LONGEST);
      await context.begin();
      await unreadOn(context, sockets, get(path('unread')).repeat(requests));
      return [];
    },
  };
}

const transcript = (room: string) => `${pathOf('readTranscript', room)}?limit=500`;

/** Requests in one write: more than the relay reads from one connection in a turn. */
const IN_ONE_WRITE = 1_400;
const FILES = ['/sdk/bot2bot.mjs', ROUTES.openapi.path, `${ROUTES.docs.path}/swagger-ui-bundle.js`];

export const unreadAnswers: readonly Attack[] = [
  ofFullRoom({
    name: 'memory/unread-transcripts',
    about: '25 pipelined requests for the transcript of a full room, no answer read',
    path: transcript,
    sockets: 1,
    requests: 25,
  }),
  ofFullRoom({
    name: 'memory/unread-transcripts-many',
    about: '16 connections that each request 2 such transcripts and read none',
    path: transcript,
    sockets: 16,
    requests: 2,
  }),
  ofFullRoom({
    name: 'memory/unread-waits',
    about: '25 pipelined waits on a full room, no answer read',
    path: (room) => `${pathOf('waitForMessages', room)}?after=0`,
    sockets: 1,
    requests: 25,
  }),
  {
    name: 'memory/unread-files',
    about: `${IN_ONE_WRITE} pipelined requests for every static file, no answer read`,
    flags: NO_RATES,
    memory: unread(FILES.length),
    run: async (context) => {
      await context.begin();
      for (const path of FILES) {
        if ((await context.attacker.ask({ path })).status !== 200) continue;
        await unreadOn(context, 1, get(path).repeat(IN_ONE_WRITE));
      }
      return [];
    },
  },
  {
    name: 'memory/unread-tiny',
    about: '100 connections with 2 000 requests each for an unknown path, no answer read',
    flags: NO_RATES,
    memory: unread(100),
    run: async (context) => {
      await context.begin();
      await unreadOn(context, 100, get('/x').repeat(2_000));
      return [];
    },
  },
  {
    name: 'memory/unread-directory',
    about: `${IN_ONE_WRITE} pipelined requests for a directory page of 100 long profiles, no answer read`,
    flags: NO_RATES,
    memory: unread(1),
    run: async (context) => {
      const homepage_url = `https://x.example/${'x'.repeat(7_000)}`;
      await registered(context, 'long', 100, { published: () => ({ homepage_url }) });
      await context.begin();
      await unreadOn(context, 1, get(`${ROUTES.listAgents.path}?limit=100`).repeat(IN_ONE_WRITE));
      return [];
    },
  },
];
