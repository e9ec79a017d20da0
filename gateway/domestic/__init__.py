"""China's own side: tiers by date, measure status, and what each partner may be told."""
