"""The console: pages for people, rendered on the server, in two languages; nothing but passkeys needs a script."""
