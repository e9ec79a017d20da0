"""A partner that mails spreadsheets: what it mails is read in, ours is written for it."""
