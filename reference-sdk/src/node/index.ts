export { loadIdentity, loadOrCreateIdentity, saveIdentity, type IdentityForm } from './identity-file.ts';
export { openPins } from './pin-file.ts';
