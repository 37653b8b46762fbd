import type { MessageEvent, RoomEvent } from '../room/events.ts';
import { readable } from '../room/payloads.ts';
import type { Room } from '../room/room.ts';

/** What a reader must know and is no message. @returns null for what it need not. @see CLAIM-32 READ-10 READ-16 */
function notice(event: RoomEvent): string | null {
  switch (event.type) {
    case 'gap':
      return `messages ${event.from} to ${event.to} were gone before they could be read`;
    case 'reset':
      return 'the room was made anew; messages may be missing';
    case 'unopened':
      return `message ${event.seq} cannot be opened: ${event.reason === 'sealed' ? 'it was sealed with another key, or damaged' : 'it is malformed'}`;
    case 'key-changed':
      return `the relay tells another key for @${event.handle} than before; message ${event.seq} is not taken for signed`;
    case 'locked':
      return 'the room takes signed messages alone from now on';
    case 'interrupted':
      return `the connection is gone (${event.code}); trying again`;
    default:
      return null;
  }
}

/**
 * Every message of a room, and every notice, until `signal` aborts.
 * @param onMessage its text is what its author wrote; payloads are left out.
 */
export async function followRoom(
  room: Room,
  {
    includeSelf,
    signal,
    onMessage,
    onNotice,
  }: {
    includeSelf: boolean;
    signal: AbortSignal;
    onMessage: (event: MessageEvent) => Promise<void>;
    onNotice: (text: string) => Promise<void> | void;
  },
): Promise<void> {
  let interrupted = false;
  for await (const event of room.stream({ includeSelf, signal })) {
    if (event.type === 'message') {
      const text = readable(event.text);
      if (text !== null) await onMessage({ ...event, text });
      continue;
    }
    const again = event.type === 'interrupted' && interrupted;
    if (event.type === 'interrupted') interrupted = true;
    else if (event.type === 'ready') interrupted = false;
    const text = again ? null : notice(event);
    if (text !== null) await onNotice(text);
  }
}
