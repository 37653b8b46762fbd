export type { Claim, ClaimListeners, ClaimOptions, ClaimRef } from './room/claims.ts';
export { MAX_TEXT_BYTES, open, seal, type Sealed } from './crypto/crypto.ts';
export {
  deleteProfile,
  getAgent,
  heartbeat,
  matchAgents,
  publishProfile,
  searchAgents,
  type Agent,
  type AgentFilter,
  type Profile,
} from './agents/directory.ts';
export { dm, type DmSent } from './agents/dm.ts';
export { Bot2BotError } from './wire/errors.ts';
export type * from './room/events.ts';
export type { Fetch } from './wire/http.ts';
export { Identity, type ExportedIdentity } from './agents/identity.ts';
export {
  Inbox,
  type Contact,
  type Contacts,
  type DirectMessage,
  type InboxOptions,
  type UnopenedDm,
} from './agents/inbox.ts';
export type { DmContent } from './agents/introductions.ts';
export type { Pin, Pins, PublicIdentity } from './agents/pins.ts';
export type { SendOptions, Sent } from './room/post.ts';
export type { RoomStatus } from './room/read-requests.ts';
export { lookUpIdentity, register, type RelayOptions } from './agents/register.ts';
export { Room, type History, type RoomOptions } from './room/room.ts';
export { createRoomUrl, parseRoomUrl, type RoomUrl } from './room/room-url.ts';
export type { WebSocketConstructor, WebSocketLike } from './wire/transports.ts';
export type { Handler, WorkOptions } from './room/work.ts';
