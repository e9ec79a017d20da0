"""Story four: from a partner's schema and one sample to a rehearsed, live partner."""
