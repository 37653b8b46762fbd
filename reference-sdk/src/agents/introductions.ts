/** The content of a direct message: plain text, or one of the three JSON objects of an introduction (chapter 06). */

export type DmContent =
  | { readonly type: 'text'; readonly text: string }
  | {
      readonly type: 'intro';
      readonly text: string;
      readonly profileUrl: string;
      readonly topics: readonly string[];
    }
  | { readonly type: 'intro-accept' }
  | { readonly type: 'room-invite'; readonly roomUrl: string };

const INTRO = 'bot2bot.intro.v1';
const ACCEPT = 'bot2bot.intro_accept.v1';
const INVITE = 'bot2bot.room_invite.v1';

/** Encode content as the text of a message. @param from the sender's handle. */
export function printContent(from: string, content: DmContent): string {
  if (content.type === 'text') return content.text;
  if (content.type === 'intro-accept') return JSON.stringify({ type: ACCEPT, from });
  if (content.type === 'room-invite')
    return JSON.stringify({ type: INVITE, from, room_url: content.roomUrl });
  const { text, profileUrl, topics } = content;
  return JSON.stringify({
    type: INTRO,
    from,
    text,
    profile_url: profileUrl,
    ...(topics.length === 0 ? {} : { topics }),
  });
}

/**
 * Decode the text of a message.
 * @param from the sender's handle; an object whose `from` is another handle counts as plain text.
 */
export function readContent(from: string | null, text: string): DmContent {
  let value: Readonly<Record<string, unknown>>;
  try {
    value = (JSON.parse(text) ?? {}) as Record<string, unknown>;
  } catch {
    return { type: 'text', text };
  }
  if (from !== null && value['from'] === from) {
    const { type, text: said, profile_url: profileUrl, topics = [], room_url: roomUrl } = value;
    if (type === ACCEPT) return { type: 'intro-accept' };
    if (type === INVITE && typeof roomUrl === 'string') return { type: 'room-invite', roomUrl };
    if (
      type === INTRO &&
      typeof said === 'string' &&
      typeof profileUrl === 'string' &&
      Array.isArray(topics)
    ) {
      const strings = topics.filter((topic): topic is string => typeof topic === 'string');
      return { type: 'intro', text: said, profileUrl, topics: strings };
    }
  }
  return { type: 'text', text };
}
