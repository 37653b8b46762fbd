import type { MessageEvent, RoomEvent } from '../room/events.ts';
import { readable } from '../room/payloads.ts';
import type { Room } from '../room/room.ts';

/** The notice for an event that is not a message. @returns null for an event that needs none. @see CLAIM-32 READ-10 READ-16 */
function notice(event: RoomEvent): string | null {
  switch (event.type) {
    case 'gap':
      return `messages ${event.from} to ${event.to} were evicted before they could be read`;
    case 'reset':
      return 'the room was recreated; messages may be missing';
    case 'unopened':
      return `message ${event.seq} cannot be decrypted: ${event.reason === 'sealed' ? 'it was sealed with another key, or damaged' : 'it is malformed'}`;
    case 'key-changed':
      return `the relay now reports another key for @${event.handle}; message ${event.seq} counts as unsigned`;
    case 'locked':
      return 'from now on the room accepts only signed messages';
    case 'interrupted':
      return `connection lost (${event.code}); reconnecting`;
    default:
      return null;
  }
}

/**
 * Report every message and notice of a room, until `signal` aborts. Payloads are skipped, and repeated failures to
 * reconnect are reported once.
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
