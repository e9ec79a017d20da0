"""How bytes travel and are proven. Nothing above this room knows the XML of an envelope."""
