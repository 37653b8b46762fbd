/** Chapter 04: WebSocket. */
import { ROUTES } from '@bot2bot/schemas';
import type { Check } from '../check.ts';
import { ANSWER_MS } from '../../script/rooms.ts';
import type { Frame } from '../../trace/frames.ts';
import { headerOf } from '../../script/reply.ts';
import type { RelayScript } from '../../script/claims.ts';
import type { Stream } from '../../script/stream.ts';
import { comparedIn } from '../../trace/message.ts';
import { sent, postThree } from './streams.ts';

export const SOCKET_CHECKS: readonly Check<RelayScript>[] = [
  {
    id: 'STREAM-9/websocket',
    title: 'a WebSocket delivers the same frames as an event stream',
    lane: 'quick',
    run: async (t) => {
      const room = t.room();
      await postThree(t, room);
      const sse = await t.joined('sse', room);
      const ws = await t.joined('ws', room);
      const { seq } = await t.posted(room);
      await sse.hasSeq(seq);
      await ws.hasSeq(seq);
      const json = (stream: Stream) =>
        stream.messages.map((message) => JSON.stringify(comparedIn(message, t.hardened)));
      const [wanted, came] = [json(sse), json(ws)];
      const other = came.findIndex((message, i) => message !== wanted[i]);
      t.require(
        'STREAM-9',
        came.join() === wanted.join(),
        'the frames of SSE',
        sse.at(sse.of('message')[other]),
        ws.at(ws.of('message')[other]),
      );
      t.require(
        'STREAM-9',
        ws.records.every((record) => record.kind === 'text'),
        'text frames',
        ws.at(ws.records.find((record) => record.kind !== 'text')),
      );
    },
  },
  {
    id: 'STREAM-14/send',
    title: 'a message frame is handled like a post',
    lane: 'quick',
    run: async (t) => {
      const room = t.room();
      const watcher = await t.joined('sse', room);
      const socket = await t.joined('ws', room);
      const body = { sender: 'by-socket', ...t.sealed(), reply_to: 'AAAAAAAA' };
      await socket.send(body);
      const mine = (frame: Frame) => frame.type === 'message' && frame.json.get('nonce').raw === body.nonce;
      for (const stream of [watcher, socket]) {
        const came = await stream.until((frames) => frames.some(mine));
        const frame = stream.frames.find(mine);
        const same =
          frame?.json.get('ciphertext').raw === body.ciphertext &&
          frame.json.get('sender').raw === 'by-socket' &&
          frame.json.get('reply_to').raw === 'AAAAAAAA';
        t.require('STREAM-14', came && same, 'the message on every stream', stream.at(frame));
      }
      const page = await t.transcript(room);
      t.require(
        'STREAM-14',
        page.json.get('messages').items.length === 1,
        'the message in the transcript',
        page,
      );
    },
  },
  {
    id: 'STREAM-15/refused',
    title: 'a refused frame is answered with an error',
    lane: 'quick',
    run: async (t) => {
      const socket = await t.joined('ws', t.room());
      await socket.send({ ...t.sealed(), ttl_ms: 1 });
      const came = await socket.has('error');
      const [error] = socket.of('error');
      t.require(
        'STREAM-15',
        came && error?.json.get('code').raw === 400 && error.json.get('error').string !== '',
        'an error frame with code 400',
        socket.at(error),
      );
    },
  },
  {
    id: 'STREAM-16/sent',
    title: 'an accepted frame is acknowledged',
    lane: 'quick',
    run: async (t) => {
      const room = t.room();
      const socket = await t.joined('ws', room);
      const sealed = t.sealed();
      await socket.send(sealed);
      const first = await sent(socket, sealed.nonce);
      const page = await t.transcript(room);
      const message = page.json.get('messages').items[0];
      const same =
        first?.json.get('id').raw === message?.get('id').raw &&
        first?.json.get('seq').raw === message?.get('seq').raw;
      t.require(
        'STREAM-16',
        first !== undefined && same && first.json.get('duplicate').raw !== true,
        'sent with nonce, id and seq',
        socket.at(first),
        page,
      );
      await socket.send(sealed);
      await socket.until((frames) => frames.filter((frame) => frame.type === 'sent').length >= 2);
      const again = socket.of('sent')[1];
      t.require(
        'STREAM-16',
        again?.json.get('duplicate').raw === true && again.json.get('seq').raw === first?.json.get('seq').raw,
        'sent again with duplicate: true',
        socket.at(again),
      );
    },
  },
  {
    id: 'STREAM-17/malformed',
    title: 'a malformed frame is answered, with its nonce',
    lane: 'quick',
    run: async (t) => {
      const socket = await t.joined('ws', t.room());
      const { nonce } = t.sealed();
      await socket.send({ nonce, ciphertext: 'not base64' });
      t.require(
        'STREAM-17',
        (await sent(socket, nonce, 'error')) !== undefined,
        'an error with the nonce',
        socket,
      );
      const reused = t.sealed();
      await socket.send(reused);
      await sent(socket, reused.nonce);
      await socket.send({ ...t.sealed(), nonce: reused.nonce });
      const error = await sent(socket, reused.nonce, 'error');
      t.require(
        'STREAM-17',
        error?.json.get('code').raw === 409,
        'an error with code 409 and the nonce',
        socket.at(error),
      );
    },
  },
  {
    id: 'STREAM-18/garbage',
    title: 'malformed frames do not close a connection',
    lane: 'quick',
    run: async (t) => {
      const room = t.room();
      const socket = await t.joined('ws', room);
      for (const text of [
        '',
        'garbage',
        '{',
        '[]',
        'null',
        '7',
        '{"type":"no-such-type"}',
        '{"type":7}',
        '{"type":"hello"}',
        '{"type":"hello","name":7}',
        '{"type":"listening"}',
        '{"ciphertext":1,"nonce":2}',
      ]) {
        await socket.send(text);
      }
      const { seq } = await t.posted(room);
      const alive = await socket.hasSeq(seq, ANSWER_MS);
      t.require('STREAM-18', alive && !socket.closed, 'the next message on the same connection', socket);
      const body = t.sealed();
      await socket.send(body);
      const works = await socket.until((frames) =>
        frames.some((frame) => frame.type === 'message' && frame.json.get('nonce').raw === body.nonce),
      );
      t.require('STREAM-18', works, 'a message sent afterwards', socket);
    },
  },
  {
    id: 'STREAM-19/long-frame',
    title: 'a frame above frame_bytes closes the connection with 1009',
    lane: 'quick',
    run: async (t) => {
      const socket = await t.joined('ws', t.room());
      await socket.send('x'.repeat(t.target.limits.frame_bytes + 1));
      await socket.until(() => false, ANSWER_MS);
      t.require('STREAM-19', socket.closed && socket.log.closed?.code === 1009, 'close code 1009', socket);
    },
  },
  {
    id: 'STREAM-20/no-upgrade',
    title: 'ws without an upgrade is answered 426',
    lane: 'quick',
    run: async (t) => {
      const reply = await t.request('GET', ROUTES.openSocket.path.replace('{room}', t.room()));
      t.require('STREAM-20', reply.status === 426, '426', reply);
    },
  },
  {
    id: 'CORE-10/handshake',
    title: 'an accepted handshake has Cache-Control: no-store and the CORS headers',
    lane: 'quick',
    also: ['CORE-9'],
    run: async (t) => {
      const socket = await t.joined('ws', t.room());
      t.require(
        'CORE-10',
        socket.header('cache-control').includes('no-store'),
        'Cache-Control: no-store',
        headerOf(socket, 'Cache-Control'),
      );
      const open = socket.header('access-control-allow-origin') === '*';
      const bare = socket.header('access-control-allow-credentials') === '';
      t.require('CORE-9', open && bare, 'Access-Control-Allow-Origin: * and no Allow-Credentials', socket);
    },
  },
];
