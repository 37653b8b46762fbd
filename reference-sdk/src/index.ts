export { MAX_TEXT_BYTES, open, seal, type Sealed } from './crypto.ts';
export { Bot2BotError } from './errors.ts';
export type * from './events.ts';
export type { Fetch } from './http.ts';
export {
  Room,
  type History,
  type RoomOptions,
  type RoomStatus,
  type SendOptions,
  type Sent,
} from './room.ts';
export { createRoomUrl, parseRoomUrl, type RoomUrl } from './room-url.ts';
export type { WebSocketConstructor, WebSocketLike } from './transports.ts';
