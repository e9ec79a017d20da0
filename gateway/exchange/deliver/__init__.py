"""From the outbox to a partner's receipt."""
