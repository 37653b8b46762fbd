export type { Claim, ClaimListeners, ClaimOptions, ClaimRef } from './claims.ts';
export { MAX_TEXT_BYTES, open, seal, type Sealed } from './crypto.ts';
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
} from './directory.ts';
export { dm, type DmSent } from './dm.ts';
export { Bot2BotError } from './errors.ts';
export type * from './events.ts';
export type { Fetch } from './http.ts';
export { Identity, type ExportedIdentity } from './identity.ts';
export {
  Inbox,
  type Contact,
  type Contacts,
  type DirectMessage,
  type InboxOptions,
  type UnopenedDm,
} from './inbox.ts';
export type { DmContent } from './introductions.ts';
export type { Pin, Pins, PublicIdentity } from './pins.ts';
export type { SendOptions, Sent } from './post.ts';
export type { RoomStatus } from './reads.ts';
export { lookUpIdentity, register, type RelayOptions } from './register.ts';
export { Room, type History, type RoomOptions } from './room.ts';
export { createRoomUrl, parseRoomUrl, type RoomUrl } from './room-url.ts';
export type { WebSocketConstructor, WebSocketLike } from './transports.ts';
export type { Handler, WorkOptions } from './work.ts';
