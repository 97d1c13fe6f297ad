"""What the engines themselves allow: the least that a queue must do, with nothing around it."""
