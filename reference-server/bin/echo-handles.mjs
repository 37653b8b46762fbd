// Sends each listening socket back to the parent, which thereby gets another file descriptor for it (see acceptors.ts).
process.on('message', (message, handle) => process.send(message, handle));
process.on('disconnect', () => process.exit());
