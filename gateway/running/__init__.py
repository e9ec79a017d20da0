"""What goes on in the background while a node serves."""
