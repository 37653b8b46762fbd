// Sends back each listening socket that it is sent: a second file descriptor for it, which Node cannot make by itself.
process.on('message', (message, handle) => process.send(message, handle));
process.on('disconnect', () => process.exit());
