"""What is durable: messages, statements, outbox, journal. SQLite and PostgreSQL through the same code."""
